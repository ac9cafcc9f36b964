//! Logs of both suites, and people who use them.

mod audited;
mod example;
mod files;
mod lies;
mod owners;
mod searches;
mod tampered;

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    config::CipherSuite,
    message::{SearchRequest, SearchResponse},
    prove::{Log, MemoryStore, New, Operator},
    suite,
    value::Opening,
};

const WINDOW: u64 = 1000;
const SEED: [u8; 32] = [7; 32];

/// A log, its clock, and what is true of it.
struct World {
    config: Configuration,
    log: Log<MemoryStore>,
    now: u64,
    truth: BTreeMap<String, Vec<(Vec<u8>, u64)>>,
}

fn config(cipher_suite: CipherSuite) -> Configuration {
    Configuration {
        cipher_suite,
        mode: DeploymentMode::ContactMonitoring,
        signature_public_key: suite::head_key(cipher_suite, &SEED).unwrap().public_key(),
        vrf_public_key: suite::vrf_key(cipher_suite, &SEED).unwrap().public_key(),
        max_ahead: 100,
        max_behind: 1_000_000,
        reasonable_monitoring_window: WINDOW,
        maximum_lifetime: None,
    }
}

impl World {
    fn new() -> Self {
        Self::with(config(CipherSuite::RISTRETTO255))
    }

    fn with(config: Configuration) -> Self {
        let suite = config.cipher_suite;
        let keys = (suite::vrf_key(suite, &SEED).unwrap(), suite::head_key(suite, &SEED).unwrap());
        let operator = Arc::new(Operator::new(config.clone(), keys.0, keys.1).unwrap());
        let log = Log::open(MemoryStore::new(), operator).unwrap();
        Self { config, log, now: 1_000_000, truth: BTreeMap::new() }
    }

    /// Adds an entry with new versions of these labels, so many milliseconds later.
    fn add(&mut self, later: u64, labels: &[&str]) {
        self.now += later;
        let position = self.log.size();
        let mut values = Vec::new();
        for label in labels {
            let versions = self.truth.entry((*label).to_owned()).or_default();
            let value = format!("{label} {}", versions.len()).into_bytes();
            versions.push((value.clone(), position));
            let opening = Opening([versions.len() as u8; 16]);
            values.push(New { label: label.as_bytes().to_vec(), value, opening });
        }
        self.log.insert(self.now, values).unwrap();
    }

    fn verifier(&self) -> Verifier<'_> {
        Verifier::new(&self.config)
    }

    /// A search by bytes, as it is over a network.
    fn search(
        &self,
        view: Option<&TreeView>,
        label: &str,
        version: Option<u32>,
    ) -> Result<Verified<Found>, KeyTransError> {
        let request = SearchRequest { last: view.map(TreeView::size), label: label.into(), version };
        let request = SearchRequest::decode(&request.encode().unwrap()).unwrap();
        let bytes = self.log.search(&request, None).unwrap().encode().unwrap();
        let response = SearchResponse::decode(&bytes, &request, &self.config).unwrap();
        assert_eq!(response.encode().unwrap(), bytes);
        self.verifier().search(view, &request, &response, self.now)
    }
}
