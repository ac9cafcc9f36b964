//! The account's devices.

use quicprochat_client::{
    ClientError, DeviceView, RenewedRecord,
    core::{Command, auth::Password},
};
use quicprochat_wire::DeviceId;
use serde_json::json;

use super::{account::ask, link};
use crate::{args::DevicesCommand, context::Context, exit::Exit, failure::Failure};

pub(super) async fn devices(context: &mut Context, command: Option<DevicesCommand>) -> Result<(), Failure> {
    if let Some(DevicesCommand::Join { code }) = command {
        return link::join(context, code).await;
    }
    context.account()?;
    match command.unwrap_or(DevicesCommand::List) {
        DevicesCommand::List => list(context).await,
        DevicesCommand::Link(arguments) => link::link(context, arguments).await,
        DevicesCommand::Join { code } => link::join(context, code).await,
        DevicesCommand::Rename { id, label } => {
            let device = find(context, &id).await?;
            context.client.rename_device(device.device, &label).await?;
            let text = format!("{} is called {label} now", device.device.short());
            Ok(context.out.show("done", json!({}), &text)?)
        }
        DevicesCommand::AfterRestore { password } => after_restore(context, ask(&password)?).await,
        DevicesCommand::Revoke { id, password } => {
            let device = find(context, &id).await?;
            if device.this {
                return Err(ClientError::OwnDevice.into());
            }
            let password = ask(&password)?;
            context.client.revoke_device(device.device, password).await?;
            // The job survives in the store: any later sync goes on with it.
            context.run(Command::RemoveDevice { device: device.device }).await?;
            let text = format!("{} is revoked and out of every conversation", device.device.short());
            Ok(context.out.show("done", json!({}), &text)?)
        }
    }
}

/// The record first; the removals from conversations are jobs, which any later sync goes on with.
async fn after_restore(context: &mut Context, password: Password) -> Result<(), Failure> {
    let RenewedRecord { serial, revoked, missing } = context.client.renew_record(password).await?;
    let names = |devices: &[DeviceId]| devices.iter().map(|device| device.short().to_string()).collect::<Vec<_>>();
    let mut text = format!("the account's record is number {serial} now; whoever has seen an older one goes on");
    if !revoked.is_empty() {
        text.push_str(&format!("; revoked again: {}", names(&revoked).join(", ")));
    }
    if !missing.is_empty() {
        let devices = names(&missing).join(", ");
        text.push_str(&format!(
            "; the server does not know {devices} any more: log in again there, in a home of its own"
        ));
    }
    let ids = |devices: &[DeviceId]| devices.iter().map(ToString::to_string).collect::<Vec<_>>();
    let object = json!({ "serial": serial, "revoked": ids(&revoked), "missing": ids(&missing) });
    context.out.show("done", object, &text)?;
    for device in revoked {
        context.run(Command::RemoveDevice { device }).await?;
    }
    Ok(())
}

async fn list(context: &mut Context) -> Result<(), Failure> {
    for device in context.client.devices().await? {
        let label = device.label.clone().unwrap_or_default();
        let object = json!({ "device": device.device.to_string(), "label": label, "this": device.this });
        let mark = if device.this { "  (this device)" } else { "" };
        context.out.show("device", object, &format!("{}  {label}{mark}", device.device.short()))?;
    }
    Ok(())
}

async fn find(context: &mut Context, id: &str) -> Result<DeviceView, Failure> {
    let prefix = id.to_ascii_lowercase();
    let mut matching: Vec<DeviceView> = context.client.devices().await?;
    matching.retain(|device| device.device.to_string().starts_with(&prefix));
    match (matching.pop(), matching.len()) {
        (Some(device), 0) => Ok(device),
        (None, _) => Err(ClientError::UnknownDevice { id: id.to_owned() }.into()),
        (Some(_), _) => Err(Failure::new("ambiguous", Exit::Failed, format!("several devices begin with {id}"))),
    }
}
