//! Deliberate breaks of rules that matter, for the simulated world: it must catch each of them.
//!
//! Code asks [`is_on`] where a rule stands. Without the feature `mutants` that is a constant `false`, and nothing of a break is
//! left in a program; no program enables the feature, and `cargo xtask tidy` looks. With it, a process breaks the one rule that
//! `set` names.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mutant {
    /// The server answers before the disk has it.
    AcknowledgeBeforeSync,
    /// The server appends what names an outdated commit.
    AcceptStaleCommit,
    /// The server does not look an entry's id up before it appends.
    SkipIdCheck,
    /// The server lets a key read on that was replaced.
    EndedKeyReads,
    /// The server keeps a revoked device signed in.
    RevokedDeviceSignsIn,
    /// The server takes a token that was spent.
    SpendTokenTwice,
    /// The server forgets the keyring that a rolling commit brings.
    KeyringLost,
    /// The server does not wake subscribers.
    ForgetToWake,
    /// A client carries out effects whose transaction failed.
    SendBeforeCommit,
    /// A client merges its own commit when it sends it.
    MergeOwnCommitEarly,
    /// A client lets an invitation leave before its commit is accepted.
    WelcomeBeforeAcceptance,
    /// A client applies entries of a page again that it has read.
    ApplyTwice,
    /// A client drops a message from its outbox before it is acknowledged.
    DropOutboxEarly,
    /// A client sends what lost against a commit as it was, not encrypted anew.
    KeepLostAttempt,
    /// A client leaves a token that it spends in its stock.
    KeepSpentToken,
    /// A client leaves revoked devices in groups.
    KeepRevokedDevice,
    /// A client never removes whoever left.
    KeepLeaver,
    /// A client goes on with the channel's old keys after a commit that rolls them.
    KeepOldKeys,
    /// A client seals a channel's new keys to those it removes, too.
    KeyringToRemoved,
    /// A client does not store that a ratchet went on.
    RatchetNotKept,
    /// A client passes over entries of its own that its store does not know.
    TrustOldStore,
    /// A client that enters anew does not say what it could not read.
    HideGap,
    /// A client does not offer a server what it lost.
    GiveNothingBack,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::AcknowledgeBeforeSync,
        Self::AcceptStaleCommit,
        Self::SkipIdCheck,
        Self::EndedKeyReads,
        Self::RevokedDeviceSignsIn,
        Self::SpendTokenTwice,
        Self::KeyringLost,
        Self::ForgetToWake,
        Self::SendBeforeCommit,
        Self::MergeOwnCommitEarly,
        Self::WelcomeBeforeAcceptance,
        Self::ApplyTwice,
        Self::DropOutboxEarly,
        Self::KeepLostAttempt,
        Self::KeepSpentToken,
        Self::KeepRevokedDevice,
        Self::KeepLeaver,
        Self::KeepOldKeys,
        Self::KeyringToRemoved,
        Self::RatchetNotKept,
        Self::TrustOldStore,
        Self::HideGap,
        Self::GiveNothingBack,
    ];
}

/// Whether this rule is broken now: never.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is_on(_: Mutant) -> bool {
    false
}

#[cfg(feature = "mutants")]
mod switch {
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::Mutant;

    /// The broken rule's number, counted from 1; 0 for none.
    static ON: AtomicU8 = AtomicU8::new(0);

    /// Whether this rule is broken now.
    #[must_use]
    pub fn is_on(mutant: Mutant) -> bool {
        ON.load(Ordering::Relaxed) == number(mutant)
    }

    /// Breaks a rule from now on, in the whole process, or none.
    pub fn set(mutant: Option<Mutant>) {
        ON.store(mutant.map_or(0, number), Ordering::SeqCst);
    }

    const fn number(mutant: Mutant) -> u8 {
        1 + mutant as u8
    }
}
#[cfg(feature = "mutants")]
pub use switch::{is_on, set};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_break_is_listed_once_and_off() {
        let listed: std::collections::BTreeSet<_> = Mutant::ALL.into_iter().collect();
        assert_eq!(listed.len(), Mutant::ALL.len());
        assert!(Mutant::ALL.into_iter().all(|mutant| !is_on(mutant)));
    }
}
