//! The union of all requests.

use super::{
    archive, auth, channel, channel_restore, channel_tree, directory, error::CodecError, inbox, linking, session,
    token, vault,
};
use crate::{
    call::{
        Request,
        auth::{AccountDelete, InviteCreate, InviteList},
        channel::{ChannelDelete, ChannelKeyring},
        directory::OwnRecord,
        token::TokenKeys,
        vault::VaultSubscribe,
    },
    schema::qpc_capnp::request::{Builder, Reader, Which},
};

pub(super) fn write(request: &Request, out: Builder<'_>) -> Result<(), CodecError> {
    match request {
        Request::Hello(call) => session::write_hello(call, out.init_hello()),
        Request::RegisterStart(call) => auth::write_register_start(call, out.init_register_start())?,
        Request::RegisterFinish(call) => auth::write_register_finish(call, out.init_register_finish())?,
        Request::SignInStart(call) => auth::write_sign_in_start(call, out.init_sign_in_start())?,
        Request::SignInFinish(call) => auth::write_sign_in_finish(call, out.init_sign_in_finish())?,
        Request::Authenticate(call) => auth::write_authenticate(call, out.init_authenticate())?,
        Request::PasswordStart(call) => auth::write_password_start(call, out.init_password_start())?,
        Request::PasswordFinish(call) => auth::write_password_finish(call, out.init_password_finish())?,
        Request::AccountDelete(AccountDelete {}) => drop(out.init_account_delete()),
        Request::InviteCreate(InviteCreate {}) => drop(out.init_invite_create()),
        Request::InviteList(InviteList {}) => drop(out.init_invite_list()),
        Request::Lookup(call) => directory::write_lookup(call, out.init_lookup())?,
        Request::OwnRecord(OwnRecord {}) => drop(out.init_own_record()),
        Request::PublishIdentity(call) => directory::write_publish_identity(call, out.init_publish_identity())?,
        Request::PublishKeyPackage(call) => {
            directory::write_publish_key_package(call, out.init_publish_key_package())?;
        }
        Request::VaultFetch(call) => vault::write_fetch(call, out.init_vault_fetch())?,
        Request::VaultStore(call) => vault::write_store(call, out.init_vault_store())?,
        Request::VaultSubscribe(VaultSubscribe {}) => drop(out.init_vault_subscribe()),
        Request::TokenKeys(TokenKeys {}) => drop(out.init_token_keys()),
        Request::TokenIssue(call) => token::write_issue(call, out.init_token_issue())?,
        Request::InboxDeliver(call) => inbox::write_deliver(call, out.init_inbox_deliver())?,
        Request::InboxRead(call) => inbox::write_read(call, out.init_inbox_read()),
        Request::InboxSubscribe(call) => inbox::write_subscribe(call, out.init_inbox_subscribe()),
        Request::ChannelCreate(call) => channel::write_create(call, out.init_channel_create())?,
        Request::ChannelAttach(call) => channel::write_attach(call, out.init_channel_attach())?,
        Request::ChannelEnqueue(call) => channel::write_enqueue(call, out.init_channel_enqueue())?,
        Request::ChannelRead(call) => channel::write_read(call, out.init_channel_read()),
        Request::ChannelSubscribe(call) => channel::write_subscribe(call, out.init_channel_subscribe()),
        Request::ChannelGroupInfo(call) => channel::write_group_info_of(call, out.init_channel_group_info()),
        Request::ChannelKeyring(call) => channel::write_ref(&call.channel, out.init_channel_keyring()),
        Request::ChannelDelete(call) => channel::write_ref(&call.channel, out.init_channel_delete()),
        Request::ChannelChunks(call) => channel_tree::write_chunks_of(call, out.init_channel_chunks())?,
        Request::ChannelRestore(call) => channel_restore::write_restore(call, out.init_channel_restore())?,
        Request::ArchivePut(call) => archive::write_put(call, out.init_archive_put())?,
        Request::ArchiveGet(call) => archive::write_get(call, out.init_archive_get()),
        Request::ArchiveList(call) => archive::write_list(call, out.init_archive_list()),
        Request::ArchiveDelete(call) => archive::write_delete(call, out.init_archive_delete())?,
        Request::LinkOpen(call) => linking::write_open(call, out.init_link_open()),
        Request::LinkPut(call) => linking::write_put(call, out.init_link_put())?,
        Request::LinkSubscribe(call) => linking::write_subscribe(call, out.init_link_subscribe()),
    }
    Ok(())
}

pub(super) fn read(from: Reader<'_>) -> Result<Request, CodecError> {
    let Ok(which) = from.which() else { return Err(CodecError::UnknownMethod) };
    Ok(match which {
        Which::Hello(call) => session::read_hello(call?)?.into(),
        Which::RegisterStart(call) => auth::read_register_start(call?)?.into(),
        Which::RegisterFinish(call) => auth::read_register_finish(call?)?.into(),
        Which::SignInStart(call) => auth::read_sign_in_start(call?)?.into(),
        Which::SignInFinish(call) => auth::read_sign_in_finish(call?)?.into(),
        Which::Authenticate(call) => auth::read_authenticate(call?)?.into(),
        Which::PasswordStart(call) => auth::read_password_start(call?)?.into(),
        Which::PasswordFinish(call) => auth::read_password_finish(call?)?.into(),
        Which::AccountDelete(call) => call.map(|_| AccountDelete {})?.into(),
        Which::InviteCreate(call) => call.map(|_| InviteCreate {})?.into(),
        Which::InviteList(call) => call.map(|_| InviteList {})?.into(),
        Which::Lookup(call) => directory::read_lookup(call?)?.into(),
        Which::OwnRecord(call) => call.map(|_| OwnRecord {})?.into(),
        Which::PublishIdentity(call) => directory::read_publish_identity(call?)?.into(),
        Which::PublishKeyPackage(call) => directory::read_publish_key_package(call?)?.into(),
        Which::VaultFetch(call) => vault::read_fetch(call?)?.into(),
        Which::VaultStore(call) => vault::read_store(call?)?.into(),
        Which::VaultSubscribe(call) => call.map(|_| VaultSubscribe {})?.into(),
        Which::TokenKeys(call) => call.map(|_| TokenKeys {})?.into(),
        Which::TokenIssue(call) => token::read_issue(call?)?.into(),
        Which::InboxDeliver(call) => inbox::read_deliver(call?)?.into(),
        Which::InboxRead(call) => inbox::read_read(call?).into(),
        Which::InboxSubscribe(call) => inbox::read_subscribe(call?).into(),
        Which::ChannelCreate(call) => channel::read_create(call?)?.into(),
        Which::ChannelAttach(call) => channel::read_attach(call?)?.into(),
        Which::ChannelEnqueue(call) => channel::read_enqueue(call?)?.into(),
        Which::ChannelRead(call) => channel::read_read(call?)?.into(),
        Which::ChannelSubscribe(call) => channel::read_subscribe(call?)?.into(),
        Which::ChannelGroupInfo(call) => channel::read_group_info_of(call?)?.into(),
        Which::ChannelKeyring(call) => ChannelKeyring { channel: channel::read_ref(call?)? }.into(),
        Which::ChannelDelete(call) => ChannelDelete { channel: channel::read_ref(call?)? }.into(),
        Which::ChannelChunks(call) => channel_tree::read_chunks_of(call?)?.into(),
        Which::ChannelRestore(call) => channel_restore::read_restore(call?)?.into(),
        Which::ArchivePut(call) => archive::read_put(call?)?.into(),
        Which::ArchiveGet(call) => archive::read_get(call?)?.into(),
        Which::ArchiveList(call) => archive::read_list(call?)?.into(),
        Which::ArchiveDelete(call) => archive::read_delete(call?)?.into(),
        Which::LinkOpen(call) => linking::read_open(call?)?.into(),
        Which::LinkPut(call) => linking::read_put(call?)?.into(),
        Which::LinkSubscribe(call) => linking::read_subscribe(call?)?.into(),
        Which::Reserved11(())
        | Which::Reserved12(())
        | Which::Reserved13(())
        | Which::Reserved14(())
        | Which::Reserved15(())
        | Which::Reserved20(())
        | Which::Reserved21(())
        | Which::Reserved22(())
        | Which::Reserved23(())
        | Which::Reserved27(())
        | Which::Reserved28(())
        | Which::Reserved29(())
        | Which::Reserved30(())
        | Which::Reserved31(())
        | Which::Reserved34(())
        | Which::Reserved35(())
        | Which::Reserved36(())
        | Which::Reserved37(())
        | Which::Reserved38(())
        | Which::Reserved39(())
        | Which::Reserved43(())
        | Which::Reserved44(())
        | Which::Reserved45(())
        | Which::Reserved46(())
        | Which::Reserved47(())
        | Which::Reserved58(())
        | Which::Reserved59(())
        | Which::Reserved60(())
        | Which::Reserved61(())
        | Which::Reserved62(())
        | Which::Reserved63(())
        | Which::Reserved68(())
        | Which::Reserved69(())
        | Which::Reserved70(())
        | Which::Reserved71(()) => return Err(CodecError::UnknownMethod),
    })
}
