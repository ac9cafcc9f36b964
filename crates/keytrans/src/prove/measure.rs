//! Measurements, for whoever asks: `cargo test -p quicprochat-keytrans measure -- --ignored --nocapture --test-threads 1`.

use std::{fs, sync::Arc};

use super::{
    testing::{config, new, operator},
    *,
};
use crate::{
    config::{CipherSuite, Configuration, DeploymentMode},
    suite,
};

const MANY: u32 = 40_000;
const MORE: u32 = 100_000;

/// Seconds of this thread's processor time.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Bytes that this process has in memory.
fn resident() -> f64 {
    let stat = fs::read_to_string("/proc/self/statm").unwrap();
    stat.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

fn prepared(log: &Log<MemoryStore>, labels: core::ops::Range<u32>) -> Vec<Prepared> {
    labels.map(|label| log.operator().prepare(new(&format!("label {label:07}"), &"v".repeat(64)), 0).unwrap()).collect()
}

fn empty() -> Log<MemoryStore> {
    Log::open(MemoryStore::new(), operator(DeploymentMode::ContactMonitoring)).unwrap()
}

fn rows(appended: &Appended) -> usize {
    appended.nodes.len() + appended.log_nodes.len() + appended.versions.len() + 2
}

#[test]
#[ignore = "measures, and proves nothing"]
fn measure_a_large_batch_in_a_large_tree() {
    let mut log = empty();
    let first = prepared(&log, 0..MANY);
    let second = prepared(&log, MANY..2 * MANY);
    for (what, batch) in [("an empty tree", first), ("a tree of as many", second)] {
        let before = cpu();
        let appended = log.next(0, batch).unwrap();
        let computed = cpu() - before;
        log.store.append(&appended).unwrap();
        let kept = cpu() - before;
        log.newest = Some(Newest { head: appended.head.clone(), entry: appended.entry });
        let count = f64::from(MANY);
        println!(
            "{MANY} in one batch into {what}: {:.0} a second of processor time, {:.0} with the store; {:.2} rows each",
            count / computed,
            count / kept,
            rows(&appended) as f64 / count
        );
    }
    let (looks, before) = (2000, cpu());
    for label in 0..looks {
        let places: Vec<_> = [0, 1, 3, 2]
            .map(|version| log.operator().place(format!("label {label:07}").as_bytes(), version).unwrap())
            .to_vec();
        assert_eq!(log.look_up(1, &places).unwrap().proof.results.len(), 4);
    }
    println!("a proof of 4 look-ups: {:.1} microseconds", (cpu() - before) / f64::from(looks) * 1e6);
}

#[test]
#[ignore = "measures, and proves nothing"]
fn measure_memory_of_one_large_batch() {
    let mut log = empty();
    let before = resident();
    let batch = prepared(&log, 0..MORE);
    log.append(0, batch).unwrap();
    print_memory(&log, before);
}

#[test]
#[ignore = "measures, and proves nothing"]
fn measure_memory_of_batches_of_one() {
    let mut log = empty();
    let (before, mut seconds, mut all_rows) = (resident(), 0.0, 0);
    for label in 0..MORE {
        let batch = prepared(&log, label..label + 1);
        let start = cpu();
        let appended = log.append(0, batch).unwrap();
        seconds += cpu() - start;
        all_rows += rows(&appended);
    }
    print_memory(&log, before);
    let count = f64::from(MORE);
    println!("{:.0} a second of processor time, {:.2} rows each", count / seconds, all_rows as f64 / count);
}

fn print_memory(log: &Log<MemoryStore>, before: f64) {
    let count = f64::from(MORE);
    let (nodes, bytes) = log.store().prefix_nodes();
    println!(
        "{MORE} versions with labels of 13 and values of 64 bytes in {} entries: {:.2} nodes and {:.0} bytes of nodes each, {:.0} bytes of memory each",
        log.size(),
        nodes as f64 / count,
        bytes as f64 / count,
        (resident() - before) / count
    );
}

#[test]
#[ignore = "measures, and proves nothing"]
fn measure_preparing() {
    for suite in [CipherSuite::ED25519, CipherSuite::RISTRETTO255] {
        let (vrf, head) = (suite::vrf_key(suite, &[1; 32]).unwrap(), suite::head_key(suite, &[2; 32]).unwrap());
        let mut config = config(DeploymentMode::ContactMonitoring);
        config.cipher_suite = suite;
        (config.vrf_public_key, config.signature_public_key) = (vrf.public_key(), head.public_key());
        let operator = Arc::new(Operator::new(config, vrf, head).unwrap());
        let mut log = Log::open(MemoryStore::new(), operator).unwrap();
        let start = cpu();
        let batch = prepared(&log, 0..MANY);
        let middle = cpu();
        log.append(0, batch).unwrap();
        let (all, preparing) = (cpu() - start, middle - start);
        let count = f64::from(MANY);
        println!(
            "suite {suite}: {:.0} prepared a second, {:.0} inserted a second with that",
            count / preparing,
            count / all
        );
    }
}

#[test]
#[ignore = "measures, and proves nothing"]
fn measure_searches() {
    use crate::{
        message::{SearchRequest, SearchResponse},
        verify::Verifier,
    };
    let suite = CipherSuite::RISTRETTO255;
    let (vrf, head) = (suite::vrf_key(suite, &[1; 32]).unwrap(), suite::head_key(suite, &[1; 32]).unwrap());
    let config = Configuration {
        cipher_suite: suite,
        vrf_public_key: vrf.public_key(),
        signature_public_key: head.public_key(),
        reasonable_monitoring_window: 86_400_000,
        max_behind: u64::MAX,
        ..config(DeploymentMode::ContactMonitoring)
    };
    let operator = Arc::new(Operator::new(config.clone(), vrf, head).unwrap());
    let mut log = Log::open(MemoryStore::new(), operator).unwrap();
    // An entry a minute, so that 4,000 entries are less than three days.
    for entry in 0..MANY / 10 {
        log.append(60_000 * u64::from(entry), prepared(&log, entry * 10..entry * 10 + 10)).unwrap();
    }
    let (mut bytes, mut made, mut verified) = (0, 0.0, 0.0);
    const SEARCHES: u32 = 500;
    for number in 0..SEARCHES {
        let label = format!("label {:07}", number * 79 % MANY).into_bytes();
        let request = SearchRequest { last: None, label, version: None };
        let before = cpu();
        let response = log.search(&request, None).unwrap().encode().unwrap();
        made += cpu() - before;
        bytes += response.len();
        let before = cpu();
        let response = SearchResponse::decode(&response, &request, &config).unwrap();
        Verifier::new(&config).search(None, &request, &response, 60_000 * u64::from(MANY / 10 - 1)).unwrap();
        verified += cpu() - before;
    }
    let count = f64::from(SEARCHES);
    println!(
        "a newcomer's search among {MANY} in {} entries: {:.0} bytes, made in {:.0} us, verified in {:.0} us",
        log.size(),
        bytes as f64 / count,
        made / count * 1e6,
        verified / count * 1e6
    );
}
