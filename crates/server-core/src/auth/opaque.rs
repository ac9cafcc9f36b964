//! The server's half of OPAQUE (RFC 9807).

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use quicprochat_identity::{
    AccountName, EntropyRng, OPAQUE_CONTEXT, OpaqueSuite,
    password::{credential_identifier, opaque_identifiers},
};
use quicprochat_wire::{AccountId, Entropy, ErrorCode, Fingerprint};
use zeroize::Zeroizing;

use crate::{
    connection::SignedIn,
    error::ServerError,
    store::{Refusal, StateKey, Store, StoreFault, write},
};

/// The server's long-term OPAQUE secrets.
///
/// Secrets:  whoever has them can try passwords against stolen records; whoever loses them locks everybody out.
pub(crate) struct OpaqueServer {
    setup: ServerSetup<OpaqueSuite>,
    fingerprint: Fingerprint,
}

/// A sign-in between its two halves.
pub(crate) struct Login {
    state: ServerLogin<OpaqueSuite>,
    name: AccountName,
    way: u16,
    /// Whose, and the version of the ways in; `None` for a name that nobody has, or a way that the account does not have.
    pub(crate) subject: Option<(AccountId, u32)>,
}

impl OpaqueServer {
    /// Takes the setup from the store, where the first start puts a new one.
    pub(crate) async fn load(
        store: &dyn Store,
        fingerprint: Fingerprint,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, ServerError> {
        let fresh = ServerSetup::<OpaqueSuite>::new(&mut EntropyRng::new(entropy));
        let fresh = Zeroizing::new(fresh.serialize().to_vec());
        let stored = write(store, move |tx| {
            if let Some(stored) = tx.state().get(StateKey::OpaqueSetup)? {
                return Ok(Zeroizing::new(stored));
            }
            tx.state().put(StateKey::OpaqueSetup, &fresh)?;
            Ok(fresh)
        })
        .await?;
        let setup =
            ServerSetup::deserialize(&stored).map_err(|_| ServerError::StateDamaged { what: "OPAQUE setup" })?;
        Ok(Self { setup, fingerprint })
    }

    /// Answers a RegistrationRequest for a way in.
    pub(crate) fn respond(&self, name: &AccountName, way: u16, request: &[u8]) -> Result<Vec<u8>, ErrorCode> {
        let request = RegistrationRequest::deserialize(request).map_err(|_| ErrorCode::BadRequest)?;
        let started = ServerRegistration::<OpaqueSuite>::start(&self.setup, request, &credential_identifier(name, way));
        Ok(started.map_err(|_| ErrorCode::BadRequest)?.message.serialize().to_vec())
    }

    /// Takes a RegistrationUpload; what comes out is stored as the way's record.
    pub(crate) fn record(upload: &[u8]) -> Result<Vec<u8>, ErrorCode> {
        let upload = RegistrationUpload::<OpaqueSuite>::deserialize(upload).map_err(|_| ErrorCode::BadRequest)?;
        Ok(ServerRegistration::finish(upload).serialize().to_vec())
    }

    /// Answers KE1 with KE2. Without a record, a fake one answers in the same way (RFC 9807, section 6.3.2.2).
    pub(crate) fn start_login(
        &self,
        name: AccountName,
        way: u16,
        record: Option<&[u8]>,
        subject: Option<(AccountId, u32)>,
        request: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, Login), Refusal> {
        let request = CredentialRequest::deserialize(request).map_err(|_| ErrorCode::BadRequest)?;
        let record = record
            .map(ServerRegistration::<OpaqueSuite>::deserialize)
            .transpose()
            .map_err(|_| StoreFault::Damaged { what: "password record" })?;
        let started = ServerLogin::start(
            &mut EntropyRng::new(entropy),
            &self.setup,
            record,
            request,
            &credential_identifier(&name, way),
            self.parameters(&name),
        )
        .map_err(|_| ErrorCode::BadRequest)?;
        Ok((started.message.serialize().to_vec(), Login { state: started.state, name, way, subject }))
    }

    /// Takes KE3, which proves the password.
    pub(crate) fn finish_login(&self, login: Login, finalization: &[u8]) -> Result<SignedIn, ErrorCode> {
        let finalization = CredentialFinalization::deserialize(finalization).map_err(|_| ErrorCode::SignInFailed)?;
        let Login { state, name, way, subject } = login;
        state.finish(finalization, self.parameters(&name)).map_err(|_| ErrorCode::SignInFailed)?;
        let (account, password_version) = subject.ok_or(ErrorCode::SignInFailed)?;
        Ok(SignedIn { account, password_version, way })
    }

    fn parameters<'a>(&'a self, name: &'a AccountName) -> ServerLoginParameters<'a, 'a> {
        ServerLoginParameters {
            context: Some(OPAQUE_CONTEXT),
            identifiers: opaque_identifiers(name, &self.fingerprint),
        }
    }
}
