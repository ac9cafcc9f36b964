//! The server as a process: what its command line, its signals and its files do.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod channel;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod process;
#[cfg(test)]
mod recovery;
