//! `qpc`: quicprochat for the terminal.

mod args;
mod exit;
mod secret;

fn main() {}
