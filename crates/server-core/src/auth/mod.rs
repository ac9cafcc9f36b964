//! Accounts: registration, sign-in, devices, passwords, deletion, invite codes.

mod account_delete;
mod authenticate;
mod invite_create;
mod invite_list;
mod invites;
mod opaque;
mod operator_invites;
mod password_finish;
mod password_start;
mod register_finish;
mod register_start;
mod sign_in_finish;
mod sign_in_start;

pub(crate) use account_delete::account_delete;
pub(crate) use authenticate::authenticate;
pub(crate) use invite_create::invite_create;
pub(crate) use invite_list::invite_list;
pub(crate) use opaque::{Login, OpaqueServer};
pub(crate) use operator_invites::operator_invites;
pub(crate) use password_finish::password_finish;
pub(crate) use password_start::password_start;
pub(crate) use register_finish::register_finish;
pub(crate) use register_start::register_start;
pub(crate) use sign_in_finish::sign_in_finish;
pub(crate) use sign_in_start::sign_in_start;

#[cfg(test)]
mod tests;
