//! Comparing keys.

use quicprochat_client::core::Command;
use quicprochat_identity::safety::SafetyNumber;
use serde_json::json;

use super::bare_name;
use crate::{context::Context, exit::Exit, failure::Failure};

pub(super) async fn safety_number(context: &mut Context, name: &str) -> Result<(), Failure> {
    let name = bare_name(context, name)?;
    let (number, verified) = number_with(context, &name).await?;
    let object = json!({ "name": name, "number": number.to_string(), "verified": verified });
    let state = if verified { "verified" } else { "not verified" };
    let text =
        format!("{number}\n{name} is {state}; compare this number over another way, then run: qpc verify {name}");
    Ok(context.out.show("safety-number", object, &text)?)
}

pub(super) async fn verify(
    context: &mut Context,
    name: &str,
    number: Option<String>,
    accept_changed_key: bool,
) -> Result<(), Failure> {
    let name = bare_name(context, name)?;
    if accept_changed_key {
        context.run(Command::AcceptChangedKey { name: name.clone() }).await?;
        let text = format!("the changed key of {name} is accepted, not verified");
        return Ok(context.out.show("accepted", json!({ "name": name }), &text)?);
    }
    let (own, _) = number_with(context, &name).await?;
    let Some(number) = number else {
        return Err(Failure::usage(format!(
            "your number with {name} is {own}; if {name} sees the same, run: qpc verify {name} --number '{own}'"
        )));
    };
    let theirs = SafetyNumber::parse(&number).map_err(|error| Failure::usage(error.to_string()))?;
    if theirs != own {
        return Err(Failure::new(
            "changed-key",
            Exit::Trust,
            format!("the numbers differ: this device sees {own}. Do not write to {name} before you know why"),
        ));
    }
    context.run(Command::Verify { name: name.clone() }).await?;
    let contact = context.read(|tx| Ok(tx.contacts().contact_by_name(&name, "")?))?;
    let account = contact.map(|contact| contact.account.to_string());
    Ok(context.out.show("verified", json!({ "name": name, "account": account }), &format!("{name} is verified"))?)
}

/// The number with `name`, for the key that a changed-key warning is about if there is one; looks the account up if it is
/// unknown here.
async fn number_with(context: &mut Context, name: &str) -> Result<(SafetyNumber, bool), Failure> {
    context.account()?;
    if let Some(found) = context.client.safety_number(name)? {
        return Ok(found);
    }
    context.run(Command::LookUp { name: name.to_owned() }).await?;
    let found = context.client.safety_number(name)?;
    found.ok_or_else(|| Failure::new("unknown-name", Exit::Failed, format!("no account is called {name}")))
}
