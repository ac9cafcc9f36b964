//! Our [`Entropy`] as the generators that other crates ask for.

use core::convert::Infallible;

use hkdf::Hkdf;
use hpke::rand_core::{TryCryptoRng, TryRng};
use quicprochat_wire::Entropy;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// [`Entropy`] as a generator of rand_core 0.10.
pub(crate) struct EntropyRng<'a>(pub(crate) &'a mut dyn Entropy);

impl TryRng for EntropyRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for EntropyRng<'_> {}

/// A generator whose output is a function of a secret seed and of what it is used for.
///
/// OpenMLS seals the nodes of a path on several threads. Were they to draw from one source, the order of threads would
/// decide who gets which bytes, and a run could not be replayed; so each seal derives its own randomness instead.
///
/// Secrets:  as good as the seed: HKDF-SHA-256 of it, with a digest of all inputs of the seal and a counter as info.
pub(crate) struct DerivedRng {
    seed: Zeroizing<[u8; 32]>,
    context: [u8; 32],
    block: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl DerivedRng {
    const BLOCK_BYTES: usize = 64;

    /// Randomness for the one operation described by `inputs`.
    pub(crate) fn new(seed: &[u8; 32], inputs: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for input in inputs {
            hash.update(u64::try_from(input.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(input);
        }
        Self { seed: Zeroizing::new(*seed), context: hash.finalize().into(), block: 0, buffer: Zeroizing::default() }
    }

    fn refill(&mut self) {
        let info = [&b"qpc/1 derived randomness\0"[..], &self.context, &self.block.to_le_bytes()];
        self.block += 1;
        let mut block = [0; Self::BLOCK_BYTES];
        #[expect(clippy::expect_used, reason = "64 bytes are far below the 8,160 that HKDF-SHA-256 yields")]
        Hkdf::<Sha256>::new(None, self.seed.as_slice()).expand_multi_info(&info, &mut block).expect("64 bytes expand");
        self.buffer.zeroize();
        self.buffer.extend_from_slice(&block);
        block.zeroize();
    }
}

impl TryRng for DerivedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            if self.buffer.is_empty() {
                self.refill();
            }
            *byte = self.buffer.pop().unwrap_or_default();
        }
        Ok(())
    }
}

impl TryCryptoRng for DerivedRng {}
