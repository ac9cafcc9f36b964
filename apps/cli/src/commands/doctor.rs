//! What is configured, reachable, encrypted, and how.

use quicprochat_client::diagnosis::Finding;
use serde_json::json;

use crate::{context::Context, exit::Exit, failure::Failure};

pub(super) async fn doctor(context: &mut Context) -> Result<(), Failure> {
    let mut findings = context.client.diagnose().await?;
    let kept = if context.has_passphrase() { "wrapped by a passphrase (Argon2id)" } else { "in a file (0600)" };
    findings.push(Finding::good("store key", format!("random, {kept}")));
    let mut bad = 0;
    for finding in &findings {
        bad += u32::from(!finding.ok);
        let mark = if finding.ok { "ok  " } else { "BAD " };
        let object = json!({ "name": finding.name, "ok": finding.ok, "detail": finding.detail });
        context.out.show("check", object, &format!("{mark}{:<14} {}", finding.name, finding.detail))?;
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure::new("failed", Exit::Failed, format!("{bad} finding(s) need attention"))),
    }
}
