//! Blind tokens, client half: VOPRF batches (RFC 9497, mode 0x01; DESIGN A6).
