//! Rust code for `schema/qpc.capnp`, made by `cargo xtask codegen` and committed, so that building needs no schema compiler.

#[expect(clippy::unwrap_used, unreachable_pub, reason = "generated")]
pub(crate) mod qpc_capnp;
