//! The union of all responses, with refusals.

use super::{
    Answer, archive, auth, channel, channel_restore, channel_tree, directory, error::CodecError, field::millis, inbox,
    linking, session, token, vault,
};
use crate::{
    call::{Done, Response},
    error::{CallFailure, ErrorCode},
    schema::qpc_capnp::{
        error,
        response::{Builder, Reader, Which},
    },
    time::Duration,
};

pub(super) fn write(answer: &Answer, out: Builder<'_>) -> Result<(), CodecError> {
    let response = match answer {
        Ok(response) => response,
        Err(failure) => {
            write_failure(failure, out.init_error());
            return Ok(());
        }
    };
    match response {
        Response::Done(Done) => drop(out.init_done()),
        Response::Hello(answer) => session::write_hello_reply(answer, out.init_hello())?,
        Response::RegisterStarted(answer) => auth::write_register_started(answer, out.init_register_started())?,
        Response::SignInStarted(answer) => auth::write_sign_in_started(answer, out.init_sign_in_started())?,
        Response::SignedIn(answer) => auth::write_signed_in(answer, out.init_signed_in())?,
        Response::InviteCreated(answer) => auth::write_invite_created(answer, out.init_invite_created())?,
        Response::Invites(answer) => auth::write_invites(answer, out.init_invites())?,
        Response::Record(answer) => directory::write_record(answer, out.init_record())?,
        Response::VaultRecords(answer) => vault::write_records(answer, out.init_vault_records())?,
        Response::IssuerKeys(answer) => token::write_keys(answer, out.init_issuer_keys())?,
        Response::TokensIssued(answer) => token::write_issued(answer, out.init_tokens_issued())?,
        Response::InboxPage(answer) => inbox::write_page(answer, out.init_inbox_page())?,
        Response::ChannelState(answer) => channel::write_state(answer, out.init_channel_state()),
        Response::Enqueued(answer) => channel::write_enqueued(answer, out.init_enqueued()),
        Response::ChannelPage(answer) => channel::write_page(answer, out.init_channel_page())?,
        Response::GroupInfo(answer) => channel::write_group_info(answer, out.init_group_info())?,
        Response::Keyring(answer) => channel::write_keyring(answer, out.init_keyring())?,
        Response::ArchiveObject(answer) => archive::write_object(answer, out.init_archive_object())?,
        Response::ArchivePage(answer) => archive::write_page(answer, out.init_archive_page())?,
        Response::VaultVersions(answer) => vault::write_versions(answer, out.init_vault_versions())?,
        Response::LinkState(answer) => linking::write_state(answer, out.init_link_state()),
        Response::LinkPage(answer) => linking::write_page(answer, out.init_link_page())?,
        Response::TreeChunks(answer) => channel_tree::write_chunks(answer, out.init_tree_chunks())?,
        Response::Restored(answer) => channel_restore::write_restored(answer, out.init_restored()),
    }
    Ok(())
}

pub(super) fn read(from: Reader<'_>) -> Result<Answer, CodecError> {
    let which = from.which().map_err(|capnp::NotInSchema(number)| CodecError::UnknownResponse { number })?;
    Ok(Ok(match which {
        Which::Done(answer) => answer.map(|_| Done)?.into(),
        Which::Hello(answer) => session::read_hello_reply(answer?)?.into(),
        Which::RegisterStarted(answer) => auth::read_register_started(answer?)?.into(),
        Which::SignInStarted(answer) => auth::read_sign_in_started(answer?)?.into(),
        Which::SignedIn(answer) => auth::read_signed_in(answer?)?.into(),
        Which::InviteCreated(answer) => auth::read_invite_created(answer?)?.into(),
        Which::Invites(answer) => auth::read_invites(answer?)?.into(),
        Which::Record(answer) => directory::read_record(answer?)?.into(),
        Which::VaultRecords(answer) => vault::read_records(answer?)?.into(),
        Which::IssuerKeys(answer) => token::read_keys(answer?)?.into(),
        Which::TokensIssued(answer) => token::read_issued(answer?)?.into(),
        Which::InboxPage(answer) => inbox::read_page(answer?)?.into(),
        Which::ChannelState(answer) => channel::read_state(answer?)?.into(),
        Which::Enqueued(answer) => channel::read_enqueued(answer?)?.into(),
        Which::ChannelPage(answer) => channel::read_page(answer?)?.into(),
        Which::GroupInfo(answer) => channel::read_group_info(answer?)?.into(),
        Which::Keyring(answer) => channel::read_keyring(answer?)?.into(),
        Which::ArchiveObject(answer) => archive::read_object(answer?)?.into(),
        Which::ArchivePage(answer) => archive::read_page(answer?)?.into(),
        Which::VaultVersions(answer) => vault::read_versions(answer?)?.into(),
        Which::LinkState(answer) => linking::read_state(answer?).into(),
        Which::LinkPage(answer) => linking::read_page(answer?)?.into(),
        Which::TreeChunks(answer) => channel_tree::read_chunks(answer?)?.into(),
        Which::Restored(answer) => channel_restore::read_restored(answer?)?.into(),
        Which::Error(failure) => return Ok(Err(read_failure(failure?))),
    }))
}

fn write_failure(failure: &CallFailure, mut out: error::Builder<'_>) {
    out.set_code(failure.code.number());
    out.set_retry_after_ms(failure.retry_after.map_or(0, millis));
}

fn read_failure(from: error::Reader<'_>) -> CallFailure {
    CallFailure {
        // A later server refuses for reasons that this version cannot tell apart; what it asks is to come back later.
        code: ErrorCode::from_number(from.get_code()).unwrap_or(ErrorCode::Unavailable),
        retry_after: match from.get_retry_after_ms() {
            0 => None,
            after => Some(Duration::from_millis(after)),
        },
    }
}
