//! What is configured, reachable, encrypted, and how.

use quicprochat_client::{diagnosis::Finding, repair::Repair};
use serde_json::json;

use crate::{context::Context, exit::Exit, failure::Failure};

pub(super) async fn doctor(context: &mut Context, repair: bool) -> Result<(), Failure> {
    let mut left = if repair { mend(context).await? } else { 0 };
    let mut findings = context.client.diagnose().await?;
    let kept = if context.has_passphrase() { "wrapped by a passphrase (Argon2id)" } else { "in a file (0600)" };
    findings.push(Finding::good("store key", format!("random, {kept}")));
    for finding in &findings {
        left += u32::from(!finding.ok);
        let mark = if finding.ok { "ok  " } else { "BAD " };
        let object = json!({ "name": finding.name, "ok": finding.ok, "detail": finding.detail });
        context.out.show("check", object, &format!("{mark}{:<14} {}", finding.name, finding.detail))?;
    }
    match left {
        0 => Ok(()),
        _ => Err(Failure::new("failed", Exit::Failed, format!("{left} finding(s) need attention"))),
    }
}

/// Mends what can be mended, and lists it; how much of it is not done.
async fn mend(context: &mut Context) -> Result<u32, Failure> {
    let repairs = context.client.repair().await?;
    let mut left = 0;
    for repair in &repairs {
        left += u32::from(!repair.mended);
        let Repair { name, conversation, found, done, mended } = repair;
        let conversation = conversation.map(|channel| channel.to_string());
        let about = conversation.as_deref().unwrap_or(name);
        let mark = if *mended { "ok  " } else { "LEFT" };
        let object =
            json!({ "name": name, "conversation": conversation, "found": found, "done": done, "mended": mended });
        context.out.show("repair", object, &format!("{mark} {about}: {found}; {done}"))?;
    }
    if repairs.is_empty() {
        let object = json!({ "name": "everything", "conversation": null, "found": "nothing to repair", "done": "nothing", "mended": true });
        context.out.show("repair", object, "nothing to repair")?;
    }
    Ok(left)
}
