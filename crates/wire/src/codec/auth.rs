//! Accounts: registration, sign-in, device authentication, password, invite codes.

use super::{
    directory,
    error::CodecError,
    field::{bytes, exact_bytes, id, limited, limited_text, sized, structs, text, write_structs},
    vault,
};
use crate::{
    call::auth::{
        Authenticate, Invite, InviteCreated, Invites, OpaqueRecord, PasswordFinish, PasswordStart, RegisterFinish,
        RegisterStart, RegisterStarted, SignInFinish, SignInStart, SignInStarted, SignedIn, StretchParams,
    },
    id::{AccountId, DeviceId},
    limits::{
        MAX_INVITE_BYTES, MAX_INVITES, MAX_NAME_BYTES, MAX_OPAQUE_BYTES, MAX_VAULT_RECORDS, MAX_VAULT_WRAPS,
        SIGNATURE_BYTES,
    },
    schema::qpc_capnp::{
        authenticate, invite, invites, opaque_record, password_finish, password_start, register_finish, register_start,
        register_started, sign_in_finish, sign_in_start, sign_in_started, signed_in, stretch_params,
    },
    time::Timestamp,
};

pub(super) fn write_register_start(
    start: &RegisterStart,
    mut out: register_start::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_name(limited_text("name", &start.name, MAX_NAME_BYTES)?);
    if let Some(invite) = &start.invite {
        out.set_invite(limited_text("invite", invite, MAX_INVITE_BYTES)?);
    }
    out.set_request(limited("request", &start.request, MAX_OPAQUE_BYTES)?);
    if let Some(recovery) = &start.recovery {
        out.set_recovery(limited("recovery", recovery, MAX_OPAQUE_BYTES)?);
    }
    Ok(())
}

pub(super) fn read_register_start(from: register_start::Reader<'_>) -> Result<RegisterStart, CodecError> {
    Ok(RegisterStart {
        name: text("name", from.get_name(), MAX_NAME_BYTES)?,
        invite: match from.has_invite() {
            true => Some(text("invite", from.get_invite(), MAX_INVITE_BYTES)?),
            false => None,
        },
        request: bytes("request", from.get_request(), MAX_OPAQUE_BYTES)?,
        recovery: match from.has_recovery() {
            true => Some(bytes("recovery", from.get_recovery(), MAX_OPAQUE_BYTES)?),
            false => None,
        },
    })
}

pub(super) fn write_register_started(
    started: &RegisterStarted,
    mut out: register_started::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_response(limited("response", &started.response, MAX_OPAQUE_BYTES)?);
    if let Some(recovery) = &started.recovery {
        out.set_recovery(limited("recovery", recovery, MAX_OPAQUE_BYTES)?);
    }
    Ok(())
}

pub(super) fn read_register_started(from: register_started::Reader<'_>) -> Result<RegisterStarted, CodecError> {
    Ok(RegisterStarted {
        response: bytes("response", from.get_response(), MAX_OPAQUE_BYTES)?,
        recovery: match from.has_recovery() {
            true => Some(bytes("recovery", from.get_recovery(), MAX_OPAQUE_BYTES)?),
            false => None,
        },
    })
}

pub(super) fn write_register_finish(
    finish: &RegisterFinish,
    mut out: register_finish::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_name(limited_text("name", &finish.name, MAX_NAME_BYTES)?);
    if let Some(invite) = &finish.invite {
        out.set_invite(limited_text("invite", invite, MAX_INVITE_BYTES)?);
    }
    out.set_upload(limited("upload", &finish.upload, MAX_OPAQUE_BYTES)?);
    write_stretch(&finish.stretch, out.reborrow().init_stretch());
    out.set_identity(directory::identity(&finish.identity)?);
    directory::write_key_package(&finish.key_package, out.reborrow().init_key_package())?;
    write_structs!("wraps", &finish.wraps, MAX_VAULT_WRAPS, out.reborrow() => init_wraps, vault::write_wrap);
    write_structs!("records", &finish.records, MAX_VAULT_RECORDS, out.reborrow() => init_records, vault::write_record);
    if let Some(recovery) = &finish.recovery {
        write_opaque_record(recovery, out.init_recovery())?;
    }
    Ok(())
}

fn write_opaque_record(record: &OpaqueRecord, mut out: opaque_record::Builder<'_>) -> Result<(), CodecError> {
    out.set_upload(limited("upload", &record.upload, MAX_OPAQUE_BYTES)?);
    write_stretch(&record.stretch, out.init_stretch());
    Ok(())
}

fn read_opaque_record(from: opaque_record::Reader<'_>) -> Result<OpaqueRecord, CodecError> {
    Ok(OpaqueRecord {
        upload: bytes("upload", from.get_upload(), MAX_OPAQUE_BYTES)?,
        stretch: read_stretch(from.get_stretch()?),
    })
}

pub(super) fn read_register_finish(from: register_finish::Reader<'_>) -> Result<RegisterFinish, CodecError> {
    Ok(RegisterFinish {
        name: text("name", from.get_name(), MAX_NAME_BYTES)?,
        invite: match from.has_invite() {
            true => Some(text("invite", from.get_invite(), MAX_INVITE_BYTES)?),
            false => None,
        },
        upload: bytes("upload", from.get_upload(), MAX_OPAQUE_BYTES)?,
        stretch: read_stretch(from.get_stretch()?),
        identity: directory::read_identity(from.get_identity())?,
        key_package: directory::read_key_package(from.get_key_package()?)?,
        wraps: structs("wraps", from.get_wraps(), MAX_VAULT_WRAPS, vault::read_wrap)?,
        records: structs("records", from.get_records(), MAX_VAULT_RECORDS, vault::read_record)?,
        recovery: match from.has_recovery() {
            true => Some(read_opaque_record(from.get_recovery()?)?),
            false => None,
        },
    })
}

pub(super) fn write_sign_in_start(start: &SignInStart, mut out: sign_in_start::Builder<'_>) -> Result<(), CodecError> {
    out.set_name(limited_text("name", &start.name, MAX_NAME_BYTES)?);
    out.set_request(limited("request", &start.request, MAX_OPAQUE_BYTES)?);
    out.set_way(start.way);
    Ok(())
}

pub(super) fn read_sign_in_start(from: sign_in_start::Reader<'_>) -> Result<SignInStart, CodecError> {
    Ok(SignInStart {
        name: text("name", from.get_name(), MAX_NAME_BYTES)?,
        request: bytes("request", from.get_request(), MAX_OPAQUE_BYTES)?,
        way: from.get_way(),
    })
}

pub(super) fn write_sign_in_started(
    started: &SignInStarted,
    mut out: sign_in_started::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_response(limited("response", &started.response, MAX_OPAQUE_BYTES)?);
    write_stretch(&started.stretch, out.init_stretch());
    Ok(())
}

pub(super) fn read_sign_in_started(from: sign_in_started::Reader<'_>) -> Result<SignInStarted, CodecError> {
    Ok(SignInStarted {
        response: bytes("response", from.get_response(), MAX_OPAQUE_BYTES)?,
        stretch: read_stretch(from.get_stretch()?),
    })
}

pub(super) fn write_sign_in_finish(
    finish: &SignInFinish,
    mut out: sign_in_finish::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_finalization(limited("finalization", &finish.finalization, MAX_OPAQUE_BYTES)?);
    Ok(())
}

pub(super) fn read_sign_in_finish(from: sign_in_finish::Reader<'_>) -> Result<SignInFinish, CodecError> {
    Ok(SignInFinish { finalization: bytes("finalization", from.get_finalization(), MAX_OPAQUE_BYTES)? })
}

pub(super) fn write_signed_in(signed_in: &SignedIn, mut out: signed_in::Builder<'_>) -> Result<(), CodecError> {
    out.set_account(signed_in.account.as_bytes());
    write_structs!("wraps", &signed_in.wraps, MAX_VAULT_WRAPS, out => init_wraps, vault::write_wrap);
    Ok(())
}

pub(super) fn read_signed_in(from: signed_in::Reader<'_>) -> Result<SignedIn, CodecError> {
    Ok(SignedIn {
        account: id("account", from.get_account(), AccountId::new)?,
        wraps: structs("wraps", from.get_wraps(), MAX_VAULT_WRAPS, vault::read_wrap)?,
    })
}

pub(super) fn write_authenticate(call: &Authenticate, mut out: authenticate::Builder<'_>) -> Result<(), CodecError> {
    out.set_account(call.account.as_bytes());
    out.set_device(call.device.as_bytes());
    out.set_signature(sized("signature", &call.signature, SIGNATURE_BYTES)?);
    Ok(())
}

pub(super) fn read_authenticate(from: authenticate::Reader<'_>) -> Result<Authenticate, CodecError> {
    Ok(Authenticate {
        account: id("account", from.get_account(), AccountId::new)?,
        device: id("device", from.get_device(), DeviceId::new)?,
        signature: exact_bytes("signature", from.get_signature(), SIGNATURE_BYTES)?,
    })
}

pub(super) fn write_password_start(
    start: &PasswordStart,
    mut out: password_start::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_request(limited("request", &start.request, MAX_OPAQUE_BYTES)?);
    out.set_way(start.way);
    Ok(())
}

pub(super) fn read_password_start(from: password_start::Reader<'_>) -> Result<PasswordStart, CodecError> {
    Ok(PasswordStart { request: bytes("request", from.get_request(), MAX_OPAQUE_BYTES)?, way: from.get_way() })
}

pub(super) fn write_password_finish(
    finish: &PasswordFinish,
    mut out: password_finish::Builder<'_>,
) -> Result<(), CodecError> {
    out.set_upload(limited("upload", &finish.upload, MAX_OPAQUE_BYTES)?);
    write_stretch(&finish.stretch, out.reborrow().init_stretch());
    write_structs!("wraps", &finish.wraps, MAX_VAULT_WRAPS, out.reborrow() => init_wraps, vault::write_wrap);
    out.set_way(finish.way);
    write_structs!("records", &finish.records, MAX_VAULT_RECORDS, out => init_records, vault::write_record);
    Ok(())
}

pub(super) fn read_password_finish(from: password_finish::Reader<'_>) -> Result<PasswordFinish, CodecError> {
    Ok(PasswordFinish {
        upload: bytes("upload", from.get_upload(), MAX_OPAQUE_BYTES)?,
        stretch: read_stretch(from.get_stretch()?),
        wraps: structs("wraps", from.get_wraps(), MAX_VAULT_WRAPS, vault::read_wrap)?,
        way: from.get_way(),
        records: structs("records", from.get_records(), MAX_VAULT_RECORDS, vault::read_record)?,
    })
}

pub(super) fn write_invite_created(created: &InviteCreated, out: invite::Builder<'_>) -> Result<(), CodecError> {
    write_invite(&created.invite, out)
}

pub(super) fn read_invite_created(from: invite::Reader<'_>) -> Result<InviteCreated, CodecError> {
    Ok(InviteCreated { invite: read_invite(from)? })
}

pub(super) fn write_invites(invites: &Invites, mut out: invites::Builder<'_>) -> Result<(), CodecError> {
    out.set_left(invites.left);
    write_structs!("invites", &invites.invites, MAX_INVITES, out => init_invites, write_invite);
    Ok(())
}

pub(super) fn read_invites(from: invites::Reader<'_>) -> Result<Invites, CodecError> {
    Ok(Invites { invites: structs("invites", from.get_invites(), MAX_INVITES, read_invite)?, left: from.get_left() })
}

fn write_invite(invite: &Invite, mut out: invite::Builder<'_>) -> Result<(), CodecError> {
    out.set_code(limited_text("code", &invite.code, MAX_INVITE_BYTES)?);
    out.set_expires(invite.expires.0);
    out.set_used(invite.used);
    Ok(())
}

fn read_invite(from: invite::Reader<'_>) -> Result<Invite, CodecError> {
    Ok(Invite {
        code: text("code", from.get_code(), MAX_INVITE_BYTES)?,
        expires: Timestamp(from.get_expires()),
        used: from.get_used(),
    })
}

fn write_stretch(stretch: &StretchParams, mut out: stretch_params::Builder<'_>) {
    out.set_memory_kib(stretch.memory_kib);
    out.set_iterations(stretch.iterations);
    out.set_parallelism(stretch.parallelism);
}

fn read_stretch(from: stretch_params::Reader<'_>) -> StretchParams {
    StretchParams {
        memory_kib: from.get_memory_kib(),
        iterations: from.get_iterations(),
        parallelism: from.get_parallelism(),
    }
}
