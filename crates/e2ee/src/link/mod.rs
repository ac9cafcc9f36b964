//! Linking a device: a device of an account (the *holder*) makes a new one (the *joiner*) a device of the account, end to end
//! encrypted, by a code that goes from one screen to the other (protocol.md section 14).
//!
//! ```text
//!            joiner                                     holder
//!            LinkCode ◀──────── screen, by hand ─────── LinkCode
//!   0  Joiner::start ────────── commitment ───────────▶ Holder::start
//!   0  Joiner::reveal ◀──────── key, nonce ──────────── Holder::answer
//!   1               └────────── key, nonce, output ───▶ Answered::finish     both show LinkString
//!   1  Revealed::finish ◀────── output ───────────────┘
//!   2.. LinkSession ◀────────── LinkContent ──────────▶ LinkSession
//! ```
//!
//! Whoever does not know the code can neither read nor make any of these messages. Whoever knows it and stands in between
//! has other keys with each side, so that the strings differ: it had to choose its own part before it saw theirs.

mod code;
mod content;
mod handshake;
mod session;
mod string;
#[cfg(test)]
mod tests;

pub use code::{LinkCode, LinkCodeProblem};
pub use content::{LinkContent, LinkHandover, LinkOffer, LinkRefusal};
pub use handshake::{Answered, Holder, Joiner, Revealed};
pub use session::LinkSession;
pub use string::LinkString;
