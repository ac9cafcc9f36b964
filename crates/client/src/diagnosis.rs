//! What `qpc doctor` finds.

use quicprochat_client_core::{
    store::{Conversation, ConversationState},
    views,
};
use quicprochat_transport::{AccountLink, LinkError};

use crate::{Client, ClientError, entropy::now, repair::left_over_keys};

/// How far the clocks may be apart before it is a finding, seconds.
const CLOCK_TOLERANCE: u64 = 120;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, and what to do.
    pub detail: String,
}

impl Finding {
    /// As it should be.
    #[must_use]
    pub const fn good(name: &'static str, detail: String) -> Self {
        Self { name, ok: true, detail }
    }

    /// Not as it should be.
    #[must_use]
    pub const fn bad(name: &'static str, detail: String) -> Self {
        Self { name, ok: false, detail }
    }
}

impl Client {
    /// Looks at the home, the store, the server and the account. Every finding is one of its own; none hides another.
    pub async fn diagnose(&mut self) -> Result<Vec<Finding>, ClientError> {
        let mut findings = vec![Finding::good("home", self.home().path().display().to_string())];
        let cipher = self.store().cipher()?;
        let encrypted = format!("SQLCipher {} ({}), raw 256-bit key", cipher.version, cipher.provider);
        findings.push(Finding::good("store", encrypted));
        let damage = self.store().check()?;
        findings.push(match damage.first() {
            None => Finding::good("integrity", "every page verified".to_owned()),
            Some(first) => Finding::bad("integrity", format!("{first}; restore the home from a copy")),
        });
        let left_over = left_over_keys(self.home()).len();
        findings.push(match left_over {
            0 => Finding::good("key files", "none left over".to_owned()),
            count => Finding::bad("key files", format!("{count} left over by a crash; run doctor --repair")),
        });
        let Some(account) = self.account()? else {
            findings.push(Finding::bad("account", "none; run register or login".to_owned()));
            return Ok(findings);
        };
        let who =
            format!("{}@{}, device {}, {:?}", account.name, account.host, account.device.short(), account.standing);
        findings.push(Finding::good("account", who));
        let counts = self.read(|tx| {
            let waiting = tx.outbox().outbox_channels()?.len();
            Ok((waiting, tx.tokens().stock()?.len(), views::unopened_invitations(tx)?))
        })?;
        let (waiting, tokens, unopened) = counts;
        let put_back = self.read(|tx| Ok(views::server_put_back(tx)?))?;
        let (conversations, stuck, replacing, stopped, missing) = self.read(|tx| {
            let all = tx.conversations().all_conversations()?;
            let stuck = |of: &&Conversation| matches!(of.state, ConversationState::NeedsRejoin { .. });
            let stopped =
                |of: &&Conversation| matches!(of.state, ConversationState::Diverged | ConversationState::Spoilt);
            let replacing = |of: &&Conversation| of.is_replacing();
            let past = |of: &&Conversation| matches!(of.state, ConversationState::Replaced { .. });
            let mut missing = 0;
            for conversation in &all {
                missing += views::missing_positions(tx, &conversation.channel)?;
            }
            let count = |of: &dyn Fn(&&Conversation) -> bool| all.iter().filter(of).count();
            Ok((all.len() - count(&past), count(&stuck), count(&replacing), count(&stopped), missing))
        })?;
        findings.push(Finding::good("conversations", format!("{conversations}, {waiting} with messages waiting")));
        findings.push(Finding::good("to be entered", format!("{stuck} that this device cannot follow")));
        if replacing > 0 {
            let text =
                format!("{replacing} that somebody spoilt and that are to go on in another channel with the next sync");
            findings.push(Finding::bad("to be replaced", text));
        }
        findings.push(match stopped {
            0 => Finding::good("stopped", "none (diverged or spoilt)".to_owned()),
            count => Finding::bad(
                "stopped",
                format!("{count} diverged or spoilt; doctor --repair looks again, and says more"),
            ),
        });
        if let Some(put_back) = put_back {
            let minutes = put_back.until.since(now()).as_secs().div_ceil(60);
            let waits = match minutes {
                0 => String::new(),
                _ => format!("; it takes nothing new for {minutes} min, what is sent waits"),
            };
            findings.push(Finding::good(
                "put back",
                format!(
                    "the server was put back to an older backup; this device gave it {} entries of {} conversations back{waits}",
                    put_back.given, put_back.conversations
                ),
            ));
        }
        let differ = self.read(|tx| Ok(views::pinned_otherwise(tx)?))?;
        findings.push(match differ.first() {
            None => Finding::good("pinned keys", "the same on all devices of the account".to_owned()),
            Some(name) => Finding::bad(
                "pinned keys",
                format!(
                    "another device of yours has other keys for {}; compare safety numbers on both (qpc safety-number {name})",
                    differ.join(", ")
                ),
            ),
        });
        findings.push(Finding::good("missing", format!("{missing} entries that this device cannot read")));
        findings.push(Finding::good("tokens", format!("{tokens} in stock")));
        findings.push(Finding::good(
            "invitations",
            format!("{unopened} not for this device, or for a key it no longer has"),
        ));
        findings.extend(self.diagnose_server(&account.server).await);
        Ok(findings)
    }

    async fn diagnose_server(&mut self, server: &quicprochat_wire::ServerLink) -> Vec<Finding> {
        let hello = match AccountLink::connect(self.connector(), server).await {
            Ok((_, hello)) => hello,
            Err(error @ LinkError::WrongFingerprint { .. }) => {
                return vec![Finding::bad("server", format!("{error}; nothing was sent"))];
            }
            Err(error) => return vec![Finding::bad("server", format!("{server}: {error}"))],
        };
        let tls = "TLS 1.3, X25519MLKEM768 only, key pinned by the link".to_owned();
        let mut findings = vec![Finding::good("server", server.to_string()), Finding::good("transport", tls)];
        let (here, there) = (now().0 / 1000, hello.time.0 / 1000);
        let off = here.abs_diff(there);
        findings.push(if off <= CLOCK_TOLERANCE {
            Finding::good("clock", format!("within {off} s of the server's"))
        } else {
            Finding::bad("clock", format!("{off} s off the server's; set it right"))
        });
        findings.push(match self.authenticated().await {
            Ok(_) => Finding::good("sign-in", "the server knows this device".to_owned()),
            Err(error) => Finding::bad("sign-in", error.to_string()),
        });
        findings
    }
}
