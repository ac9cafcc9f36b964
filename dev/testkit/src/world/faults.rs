//! What goes wrong in a world, and how often.

use quicprochat_wire::Duration;

use crate::server::HostFaults;

/// Chances are in 1,000 occasions.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// How long a frame travels, at least.
    pub least_latency: Duration,
    /// And at most; calls overtake each other within it.
    pub most_latency: Duration,
    /// A frame takes up to 50 times as long.
    pub slow: u32,
    /// Something pushed comes once more, a while later.
    pub twice: u32,
    /// An answer is lost, and its connection with it; the request was executed.
    pub lost_answer: u32,
    /// A connection breaks when a request is sent on it; the request may arrive all the same.
    pub broken_link: u32,
    /// A client dies before it carries out an effect; those before it were carried out.
    pub client_crash: u32,
    /// A client's transaction fails, and it dies of that.
    pub client_commit: u32,
    /// The server dies at a moment of a write.
    pub server_crash: u32,
    /// The server's disk is full for one write.
    pub server_full: u32,
    /// The server dies right after an answer left that says that something is stored.
    pub answered_crash: u32,
}

impl Faults {
    /// A good day.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            least_latency: Duration::from_millis(5),
            most_latency: Duration::from_millis(40),
            slow: 0,
            twice: 0,
            lost_answer: 0,
            broken_link: 0,
            client_crash: 0,
            client_commit: 0,
            server_crash: 0,
            server_full: 0,
            answered_crash: 0,
        }
    }

    pub(crate) const fn of_host(&self) -> HostFaults {
        HostFaults { crash: self.server_crash, full: self.server_full }
    }
}
