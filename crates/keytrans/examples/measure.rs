//! Inserts and searches, measured: `cargo run --release -p quicprochat-keytrans --example measure`.
//!
//! Seconds are of this thread's processor time (Linux). The suite is 0xF001.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that must end if its log is wrong, and whose output is the table"
)]

use std::{fs, sync::Arc};

use quicprochat_keytrans::{
    config::{CipherSuite, Configuration, DeploymentMode},
    message::{SearchRequest, SearchResponse},
    prove::{Log, MemoryStore, New, Operator, Prepared},
    suite,
    value::Opening,
    verify::Verifier,
};

const PAIRS: u32 = 40_000;
const SEARCHES: u32 = 500;
const MINUTE: u64 = 60_000;

fn main() {
    for size in [PAIRS, 100, 10] {
        measure(size);
    }
}

/// A log of so many new labels an entry, an entry a minute.
fn measure(size: u32) {
    let mut log = empty();
    let (mut prepared, mut appended, mut minute) = (0.0, 0.0, 0);
    for first in (0..PAIRS).step_by(size as usize) {
        let before = cpu();
        let batch = prepare(&log, first..(first + size).min(PAIRS));
        prepared += cpu() - before;
        let before = cpu();
        log.append(minute * MINUTE, batch).unwrap();
        appended += cpu() - before;
        minute += 1;
    }
    let now = (minute - 1) * MINUTE;
    let (mut bytes, mut made, mut verified) = (0, 0.0, 0.0);
    for number in 0..SEARCHES {
        let request = SearchRequest { last: None, label: label(number * 79 % PAIRS), version: None };
        let before = cpu();
        let response = log.search(&request, None).unwrap().encode().unwrap();
        made += cpu() - before;
        bytes += response.len();
        let before = cpu();
        let response = SearchResponse::decode(&response, &request, log.operator().config()).unwrap();
        Verifier::new(log.operator().config()).search(None, &request, &response, now).unwrap();
        verified += cpu() - before;
    }
    let (pairs, searches) = (f64::from(PAIRS), f64::from(SEARCHES));
    println!(
        "{PAIRS} labels in {minute} entries: {:.0} inserts a second ({:.0} without places and commitments); a newcomer's \
         search {:.0} bytes, made in {:.0} us, verified in {:.0} us",
        pairs / (prepared + appended),
        pairs / appended,
        bytes as f64 / searches,
        made / searches * 1e6,
        verified / searches * 1e6
    );
}

fn empty() -> Log<MemoryStore> {
    let suite = CipherSuite::RISTRETTO255;
    let (vrf, head) = (suite::vrf_key(suite, &[1; 32]).unwrap(), suite::head_key(suite, &[1; 32]).unwrap());
    let config = Configuration {
        cipher_suite: suite,
        mode: DeploymentMode::ContactMonitoring,
        vrf_public_key: vrf.public_key(),
        signature_public_key: head.public_key(),
        max_ahead: 0,
        max_behind: 0,
        reasonable_monitoring_window: 24 * 60 * MINUTE,
        maximum_lifetime: None,
    };
    Log::open(MemoryStore::new(), Arc::new(Operator::new(config, vrf, head).unwrap())).unwrap()
}

fn prepare(log: &Log<MemoryStore>, labels: core::ops::Range<u32>) -> Vec<Prepared> {
    let new = |number| New { label: label(number), value: vec![b'v'; 64], opening: Opening([1; 16]) };
    labels.map(|number| log.operator().prepare(new(number), 0).unwrap()).collect()
}

fn label(number: u32) -> Vec<u8> {
    format!("label {number:07}").into_bytes()
}

/// Seconds of this thread's processor time.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
