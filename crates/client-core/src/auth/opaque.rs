//! The client's half of OPAQUE (RFC 9807).

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, RegistrationResponse,
    errors::{InternalError, ProtocolError},
};
use quicprochat_identity::{
    AccountName, EntropyRng, OPAQUE_CONTEXT, OpaqueSuite,
    password::{opaque_identifiers, stretching},
};
use quicprochat_wire::{Entropy, Fingerprint, call::auth::StretchParams};
use zeroize::Zeroizing;

use super::{CeremonyError, Password};

/// What only the password and the server together yield; wraps the vault's root key.
pub(super) type ExportKey = Zeroizing<Vec<u8>>;

/// A registration between its two messages.
pub(super) struct RegistrationExchange {
    password: Password,
    state: ClientRegistration<OpaqueSuite>,
}

impl RegistrationExchange {
    /// Returns the RegistrationRequest.
    pub(super) fn start(password: Password, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Self), CeremonyError> {
        let started = ClientRegistration::start(&mut EntropyRng::new(entropy), password.as_str().as_bytes())
            .map_err(|_| CeremonyError::Crypto)?;
        Ok((started.message.serialize().to_vec(), Self { password, state: started.state }))
    }

    /// Takes the RegistrationResponse, returns the RegistrationUpload and the export key. Stretches the password: slow.
    pub(super) fn finish(
        self,
        response: &[u8],
        name: &AccountName,
        server: &Fingerprint,
        stretch: &StretchParams,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, ExportKey), CeremonyError> {
        let response = RegistrationResponse::deserialize(response).map_err(|_| CeremonyError::Malformed)?;
        let ksf = stretching(stretch)?;
        let params = ClientRegistrationFinishParameters::new(opaque_identifiers(name, server), Some(&ksf));
        let password = self.password.as_str().as_bytes();
        let finished = self
            .state
            .finish(&mut EntropyRng::new(entropy), password, response, params)
            .map_err(|error| fault(error, CeremonyError::Malformed))?;
        let export_key = Zeroizing::new(finished.export_key.to_vec());
        Ok((finished.message.serialize().to_vec(), export_key))
    }
}

/// A sign-in between its two messages.
pub(super) struct SignInExchange {
    password: Password,
    state: ClientLogin<OpaqueSuite>,
}

impl SignInExchange {
    /// Returns KE1.
    pub(super) fn start(password: Password, entropy: &mut dyn Entropy) -> Result<(Vec<u8>, Self), CeremonyError> {
        let started = ClientLogin::start(&mut EntropyRng::new(entropy), password.as_str().as_bytes())
            .map_err(|_| CeremonyError::Crypto)?;
        Ok((started.message.serialize().to_vec(), Self { password, state: started.state }))
    }

    /// Takes KE2, returns KE3 and the export key. Stretches the password: slow.
    pub(super) fn finish(
        self,
        response: &[u8],
        name: &AccountName,
        server: &Fingerprint,
        stretch: &StretchParams,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<u8>, ExportKey), CeremonyError> {
        let response = CredentialResponse::deserialize(response).map_err(|_| CeremonyError::Malformed)?;
        let ksf = stretching(stretch)?;
        let identifiers = opaque_identifiers(name, server);
        let params = ClientLoginFinishParameters::new(Some(OPAQUE_CONTEXT), identifiers, Some(&ksf));
        let password = self.password.as_str().as_bytes();
        let finished = self
            .state
            .finish(&mut EntropyRng::new(entropy), password, response, params)
            .map_err(|error| fault(error, CeremonyError::SignInFailed))?;
        let export_key = Zeroizing::new(finished.export_key.to_vec());
        Ok((finished.message.serialize().to_vec(), export_key))
    }
}

/// What a failure of the library means, `expected` being what the step can fail with.
fn fault(error: ProtocolError, expected: CeremonyError) -> CeremonyError {
    match error {
        ProtocolError::LibraryError(InternalError::KsfError) => CeremonyError::Crypto,
        ProtocolError::ReflectedValueError => CeremonyError::Malformed,
        ProtocolError::LibraryError(_)
        | ProtocolError::InvalidLoginError
        | ProtocolError::SerializationError
        | ProtocolError::SizeError { .. }
        | ProtocolError::Custom(_) => expected,
    }
}
