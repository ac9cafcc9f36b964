//! Linking a device: showing a code here, or taking one that another device shows.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use quicprochat_client::core::auth::{CeremonyError, LinkCode, LinkOffer, LinkRefusal, LinkString};
use quicprochat_client::{AdmittedDevice, ClientError, MetDevice};
use quicprochat_wire::{CallFailure, ErrorCode};
use serde_json::json;
use zeroize::Zeroizing;

use super::account::{label, prove, show};
use crate::{args::LinkArguments, args::Proof, context::Context, exit::Exit, failure::Failure};

/// How often a mistyped password is asked for, where it is asked for.
const PASSWORD_TRIES: u32 = 3;
/// Longest line that is read as a code or a number.
const MAX_LINE_BYTES: u64 = 4096;

/// Shows a code, and makes the device that takes it one of the account's.
pub(super) async fn link(context: &mut Context, arguments: LinkArguments) -> Result<(), Failure> {
    let offered = context.client.offer_link().await?;
    let code = offered.code().to_text();
    let drawn = if arguments.no_qr { String::new() } else { draw(offered.code())? };
    let minutes = offered.left().as_secs().div_ceil(60);
    let text = format!(
        "{drawn}{}\n\nOn the new device run: qpc device join\nand give it this code, by scanning it or by typing it. It counts for {minutes} min and \
         for one device; show it to nobody else.\nWaiting for the new device ...",
        *code
    );
    let seconds = offered.left().as_secs();
    context.out.show("link-code", json!({ "code": *code, "expires_in": seconds }), &text)?;

    let mut met = offered.meet().await?;
    if let Err(failure) = confirm(context, met.string(), "the new device") {
        met.refuse(refusal(&failure)).await;
        return Err(failure);
    }
    context.out.show("waiting", json!({}), "waiting until the number is confirmed on the new device ...")?;
    let offer = met.offer().await?;
    match admit(context, &mut met, &offer, &arguments.proof).await {
        Ok(admitted) => report(context, &admitted),
        Err(failure) => {
            met.refuse(LinkRefusal::Failed).await;
            Err(failure)
        }
    }
}

/// Asks for the password, again if it is mistyped on a terminal.
async fn admit(
    context: &mut Context,
    met: &mut MetDevice,
    offer: &LinkOffer,
    proof: &Proof,
) -> Result<AdmittedDevice, Failure> {
    let asks = proof.password.password_file.is_none() && proof.recovery_key_file.is_none();
    let tries = if asks { PASSWORD_TRIES } else { 1 };
    let mut tried = 1;
    loop {
        match context.client.admit_device(met, offer, prove(proof)?).await {
            Err(error) if tried < tries && is_wrong_secret(&error) => {
                tried += 1;
                context.out.warn("sign-in-failed", "wrong password or recovery key; try again")?;
            }
            result => return Ok(result?),
        }
    }
}

fn is_wrong_secret(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Ceremony(CeremonyError::SignInFailed)
            | ClientError::Link(quicprochat_client::transport::LinkError::Refused(CallFailure {
                code: ErrorCode::SignInFailed,
                ..
            }))
    )
}

fn report(context: &Context, admitted: &AdmittedDevice) -> Result<(), Failure> {
    let AdmittedDevice { device, label, told } = admitted;
    let object = json!({ "device": device.to_string(), "label": label, "told": told });
    let short = device.short();
    context.out.show("linked", object, &format!("{label} ({short}) is a device of this account now"))?;
    if *told {
        return Ok(());
    }
    let text = format!(
        "the new device could not be told. If it does not notice by itself (qpc device join there), remove it: qpc devices revoke {short}"
    );
    Ok(context.out.warn("link-unfinished", &text)?)
}

/// Takes the code of another device, and becomes a device of its account.
pub(super) async fn join(context: &mut Context, code: Option<String>) -> Result<(), Failure> {
    context.client.expect_fresh()?;
    if let Some(account) = context.client.resume_link().await? {
        // An earlier attempt got further than it could tell.
        return show(context, &account);
    }
    let code = match code.filter(|code| code != "-") {
        Some(code) => Zeroizing::new(code),
        None => read_line("Code of the other device (qpc device link): ")?,
    };
    let joining = context.client.join_link(LinkCode::parse(&code)?).await?;
    if let Err(failure) = confirm(context, joining.string(), "the other device") {
        joining.refuse(refusal(&failure)).await;
        return Err(failure);
    }
    context.out.show("waiting", json!({}), "waiting for the other device ...")?;
    let account = context.client.finish_link(joining, &label()).await?;
    show(context, &account)
}

/// Shows the number and asks for that of the other device: typing it makes people compare.
fn confirm(context: &Context, string: LinkString, other: &str) -> Result<(), Failure> {
    let text = format!("This device shows: {string}");
    context.out.show("link-string", json!({ "string": string.digits() }), &text)?;
    let typed = read_line(&format!("Type the number that {other} shows: "))?;
    if string.is(&typed) {
        return Ok(());
    }
    if typed.trim().is_empty() {
        return Err(Failure::new("link-cancelled", Exit::Failed, "no number was given; nothing was handed over"));
    }
    let text = "the numbers differ: it was mistyped, or somebody is in between. Nothing was handed over; begin again with a new code";
    Err(Failure::new("link-string", Exit::Trust, text))
}

fn refusal(failure: &Failure) -> LinkRefusal {
    if failure.code == "link-string" { LinkRefusal::StringDiffers } else { LinkRefusal::Cancelled }
}

/// A line of standard input; people are prompted.
fn read_line(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if io::stdin().is_terminal() {
        let mut err = io::stderr().lock();
        write!(err, "{prompt}")?;
        err.flush()?;
    }
    let mut line = Zeroizing::new(String::new());
    io::Read::take(io::stdin().lock(), MAX_LINE_BYTES).read_line(&mut line)?;
    Ok(line)
}

/// As blocks, two a character, light on dark as terminals mostly are.
fn draw(code: &LinkCode) -> Result<String, Failure> {
    let letters = code.to_letters();
    let drawn = QrCode::with_error_correction_level(letters.as_bytes(), EcLevel::L)
        .map_err(|error| Failure::failed(format!("the code does not fit a QR code: {error}")))?;
    let mut blocks = drawn.render::<Dense1x2>();
    let blocks = blocks.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
    Ok(format!("{blocks}\n\n"))
}

#[cfg(test)]
mod tests {
    use quicprochat_client::OsEntropy;
    use quicprochat_wire::{Fingerprint, ServerLink};

    use super::*;

    #[test]
    fn a_code_for_the_longest_host_fits_a_qr_code_and_a_common_one_a_terminal() {
        let code = |host: &str| {
            let server = ServerLink::new(host, 4433, Fingerprint::new([9; 32])).unwrap();
            LinkCode::generate(server, &mut OsEntropy)
        };
        draw(&code(&"h".repeat(253))).unwrap();
        let drawn = draw(&code("chat.example.org")).unwrap();
        assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
        assert!(drawn.lines().count() <= 30, "{drawn}");
    }
}
