//! Ceremonies: registration, sign-in, devices, passwords. Each step takes the last answer and gives the next request; none does I/O.
