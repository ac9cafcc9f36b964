//! A stand-in for VOPRF(ristretto255): hashes in its sizes. It hides nothing; a wrong key, element or proof fails all the same.

use core::{marker::PhantomData, ops::Deref};

use rand_core::RngCore;

use super::stand_in::{digest, expand};

/// In place of the library's errors.
#[derive(Debug)]
pub struct Invalid;

/// In place of the library's arrays.
pub struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> From<Bytes<N>> for [u8; N] {
    fn from(bytes: Bytes<N>) -> Self {
        bytes.0
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// In place of the group.
#[derive(Clone)]
pub struct Ristretto255;

/// In place of the group's trait.
pub trait Group {
    /// A public key out of its bytes.
    ///
    /// Errors:   [`Invalid`] for another length.
    fn deserialize_elem(bytes: &[u8]) -> Result<[u8; 32], Invalid> {
        bytes.try_into().map_err(|_| Invalid)
    }

    /// A public key's bytes.
    #[must_use]
    fn serialize_elem(element: [u8; 32]) -> Bytes<32> {
        Bytes(element)
    }
}

impl Group for Ristretto255 {}

/// Bytes of one kind.
macro_rules! element {
    ($name:ident, $len:literal, $doc:literal) => {
        #[doc = $doc]
        pub struct $name<G>([u8; $len], PhantomData<G>);

        impl<G> $name<G> {
            /// Out of its bytes.
            ///
            /// Errors:   [`Invalid`] for another length.
            pub fn deserialize(bytes: &[u8]) -> Result<Self, Invalid> {
                bytes.try_into().map(|bytes| Self(bytes, PhantomData)).map_err(|_| Invalid)
            }

            /// Its bytes.
            #[must_use]
            pub const fn serialize(&self) -> [u8; $len] {
                self.0
            }
        }
    };
}

element!(BlindedElement, 32, "In place of a blinded input.");
element!(EvaluationElement, 32, "In place of an evaluated one.");
element!(Proof, 64, "In place of the proof over a batch.");
element!(VoprfClient, 64, "In place of a client's state.");

/// In place of what blinding yields.
pub struct Blinded<G> {
    /// For the server.
    pub message: BlindedElement<G>,
    /// For later.
    pub state: VoprfClient<G>,
}

impl<G> VoprfClient<G> {
    /// In place of blinding.
    ///
    /// Errors:   none.
    pub fn blind(input: &[u8], rng: &mut impl RngCore) -> Result<Blinded<G>, Invalid> {
        let mut state = [0; 64];
        rng.fill_bytes(&mut state);
        let message = BlindedElement(digest(&[b"blinded", input]), PhantomData);
        Ok(Blinded { message, state: Self(state, PhantomData) })
    }

    /// In place of checking the proof and unblinding a batch.
    ///
    /// Errors:   [`Invalid`] for a proof of something else.
    pub fn batch_finalize<'a, I, C>(
        inputs: &'a I,
        _: &'a C,
        evaluated: &'a [EvaluationElement<G>],
        proof: &Proof<G>,
        public_key: [u8; 32],
    ) -> Result<impl Iterator<Item = Result<[u8; 64], Invalid>>, Invalid>
    where
        &'a I: IntoIterator<Item = &'a Vec<u8>>,
        &'a C: IntoIterator<Item = &'a Self>,
        G: 'a,
    {
        let blinded = inputs.into_iter().map(|input| digest(&[b"blinded", input]));
        let expected = prove(&public_key, blinded.zip(evaluated.iter().map(|element| element.0)));
        if expected != proof.0 {
            return Err(Invalid);
        }
        Ok(inputs.into_iter().zip(evaluated).map(|(input, element)| Ok(output(input, &element.0))))
    }
}

/// In place of an issuer.
pub struct VoprfServer<G> {
    key: [u8; 32],
    group: PhantomData<G>,
}

/// In place of an evaluated batch.
pub struct Evaluated<G> {
    /// In the order of the blinded ones.
    pub messages: Vec<EvaluationElement<G>>,
    /// Over all of them.
    pub proof: Proof<G>,
}

impl<G> VoprfServer<G> {
    /// In place of deriving a key.
    ///
    /// Errors:   none.
    pub fn new_from_seed(seed: &[u8], info: &[u8]) -> Result<Self, Invalid> {
        Ok(Self { key: digest(&[b"issuer", seed, info]), group: PhantomData })
    }

    /// Its public key.
    #[must_use]
    pub fn get_public_key(&self) -> [u8; 32] {
        digest(&[b"issuer public", &self.key])
    }

    /// In place of evaluating a batch.
    ///
    /// Errors:   none.
    pub fn batch_blind_evaluate<'a, I>(&self, _: &mut impl RngCore, blinded: &'a I) -> Result<Evaluated<G>, Invalid>
    where
        &'a I: IntoIterator<Item = &'a BlindedElement<G>>,
        G: 'a,
    {
        let blinded: Vec<[u8; 32]> = blinded.into_iter().map(|element| element.0).collect();
        let messages: Vec<_> = blinded.iter().map(|element| self.evaluated(element)).collect();
        let proof = prove(&self.get_public_key(), blinded.into_iter().zip(messages.iter().copied()));
        let messages = messages.into_iter().map(|element| EvaluationElement(element, PhantomData)).collect();
        Ok(Evaluated { messages, proof: Proof(proof, PhantomData) })
    }

    /// In place of evaluating an input that is not blinded.
    ///
    /// Errors:   none.
    pub fn evaluate(&self, input: &[u8]) -> Result<Bytes<64>, Invalid> {
        Ok(Bytes(output(input, &self.evaluated(&digest(&[b"blinded", input])))))
    }

    fn evaluated(&self, blinded: &[u8; 32]) -> [u8; 32] {
        digest(&[b"evaluated", &self.key, blinded])
    }
}

fn prove(public: &[u8; 32], pairs: impl Iterator<Item = ([u8; 32], [u8; 32])>) -> [u8; 64] {
    let mut text = public.to_vec();
    for (blinded, evaluated) in pairs {
        text.extend_from_slice(&blinded);
        text.extend_from_slice(&evaluated);
    }
    long(&digest(&[b"proof", &text]))
}

fn output(input: &[u8], evaluated: &[u8; 32]) -> [u8; 64] {
    long(&digest(&[b"output", input, evaluated]))
}

fn long(digest: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    for (to, from) in out.iter_mut().zip(expand(digest, 64)) {
        *to = from;
    }
    out
}
