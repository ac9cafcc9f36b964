//! The logs, requests and lies of the vector file.

use std::{collections::BTreeMap, sync::Arc};

use quicprochat_keytrans::{
    KeyTransError,
    config::{CipherSuite, Configuration, DeploymentMode},
    message::{
        ContactMap, ContactMonitorResponse, Credential, CredentialUpdate, DistinguishedRequest, DistinguishedResponse,
        OwnerInitRequest, OwnerInitResponse, OwnerMonitorResponse, SearchRequest, SearchResponse, UpdateResponse,
    },
    prove::{Log, MemoryStore, New, Operator},
    suite,
    value::Opening,
    verify::{KnownHead, Owner, Places, Status, TreeView, Verified, Verifier, Watched},
};
use serde_json::{Map, Value, json};

const WINDOW: u64 = 1000;
const SEED: [u8; 32] = [7; 32];
/// Of each valid message so many bytes are changed, one at a time.
const CHANGED: usize = 7;

/// The whole file.
pub(crate) fn file() -> String {
    let mut file = File::default();
    for suite in [CipherSuite::RISTRETTO255, CipherSuite::ED25519] {
        searches(&mut file, suite);
        owners(&mut file, suite);
        credentials(&mut file, suite);
    }
    let cases: Vec<String> = file.cases.iter().map(Value::to_string).collect();
    format!("{{\"format\": \"quicprochat keytrans vectors 1\", \"cases\": [\n{}\n]}}\n", cases.join(",\n"))
}

#[derive(Default)]
struct File {
    cases: Vec<Value>,
}

/// A log that grows as it is told.
struct World {
    config: Configuration,
    log: Log<MemoryStore>,
    now: u64,
    versions: BTreeMap<String, u8>,
}

impl World {
    fn new(cipher_suite: CipherSuite) -> Self {
        let (vrf, head) = (suite::vrf_key(cipher_suite, &SEED).unwrap(), suite::head_key(cipher_suite, &SEED).unwrap());
        let config = Configuration {
            cipher_suite,
            mode: DeploymentMode::ContactMonitoring,
            signature_public_key: head.public_key(),
            vrf_public_key: vrf.public_key(),
            max_ahead: 1000,
            max_behind: 60_000,
            reasonable_monitoring_window: WINDOW,
            maximum_lifetime: None,
        };
        let operator = Arc::new(Operator::new(config.clone(), vrf, head).unwrap());
        let log = Log::open(MemoryStore::new(), operator).unwrap();
        Self { config, log, now: 1_000_000, versions: BTreeMap::new() }
    }

    fn add(&mut self, later: u64, labels: &[&str]) {
        self.now += later;
        let values = labels.iter().map(|label| {
            let version = self.versions.entry((*label).to_owned()).or_default();
            *version += 1;
            New {
                label: label.as_bytes().to_vec(),
                value: format!("{label} {version}").into_bytes(),
                opening: Opening([*version; 16]),
            }
        });
        let values = values.collect();
        self.log.insert(self.now, values).unwrap();
    }

    fn verifier(&self) -> Verifier<'_> {
        Verifier::new(&self.config)
    }

    fn case(&self, operation: &str, what: &str, view: Option<&TreeView>) -> Map<String, Value> {
        let name = format!("{operation} {what} (suite {})", self.config.cipher_suite);
        let config = hex::encode(self.config.encode().unwrap());
        let case =
            json!({ "name": name, "operation": operation, "config": config, "now": self.now, "state": state(view) });
        let Value::Object(case) = case else { unreachable!() };
        case
    }
}

impl File {
    /// A valid case, and what becomes of it with a byte changed, cut off, or added.
    fn add<T>(
        &mut self,
        case: Map<String, Value>,
        field: &str,
        bytes: &[u8],
        verify: impl Fn(&[u8]) -> Result<Verified<T>, KeyTransError>,
        after: impl Fn(&T) -> Value,
    ) -> T {
        let full = |result: &Verified<T>| {
            let mut after = after(&result.result);
            after["state"] = state(Some(&result.view));
            after
        };
        self.add_plain(case, field, bytes, |bytes| verify(bytes).map(|found| (full(&found), found.result)))
    }

    fn add_plain<T>(
        &mut self,
        case: Map<String, Value>,
        field: &str,
        bytes: &[u8],
        verify: impl Fn(&[u8]) -> Result<(Value, T), KeyTransError>,
    ) -> T {
        let (truth, found) = verify(bytes).unwrap();
        self.push(&case, field, bytes, "", Ok(&truth));
        let stride = (bytes.len() / CHANGED).max(1);
        let mut spoilt: Vec<(String, Vec<u8>)> = (0..bytes.len())
            .step_by(stride)
            .map(|at| {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << (at % 8);
                (format!(", byte {at} changed"), changed)
            })
            .collect();
        spoilt.push((", cut off".to_owned(), bytes[..bytes.len() - 1].to_vec()));
        spoilt.push((", with a byte more".to_owned(), [bytes, &[0]].concat()));
        for (what, bytes) in spoilt {
            match verify(&bytes) {
                Ok((after, _)) => self.push(&case, field, &bytes, &what, Ok(&after)),
                Err(error) => self.push(&case, field, &bytes, &what, Err(&error)),
            }
        }
        found
    }

    fn push(
        &mut self,
        case: &Map<String, Value>,
        field: &str,
        bytes: &[u8],
        what: &str,
        found: Result<&Value, &KeyTransError>,
    ) {
        let mut case = case.clone();
        case["name"] = json!(format!("{}{what}", case["name"].as_str().unwrap()));
        case.insert(field.to_owned(), json!(hex::encode(bytes)));
        case.insert("valid".to_owned(), json!(found.is_ok()));
        match found {
            Ok(after) => case.insert("after".to_owned(), after.clone()),
            Err(error) => {
                let name = format!("{error:?}");
                let name = name.split([' ', '(']).next().unwrap_or_default().to_owned();
                case.insert("error".to_owned(), json!(name))
            }
        };
        self.cases.push(Value::Object(case));
    }
}

fn state(view: Option<&TreeView>) -> Value {
    view.map_or(Value::Null, |view| {
        let subtrees: Vec<String> = view.full_subtrees().iter().map(|digest| hex::encode(digest.0)).collect();
        json!({ "size": view.size(), "full_subtrees": subtrees, "frontier": frontier(view), "auditor_size": view.audited() })
    })
}

fn frontier(view: &TreeView) -> Value {
    view.frontier().map(|(_, entry)| json!([entry.timestamp, hex::encode(entry.prefix_root.0)])).collect()
}

fn map(map: &ContactMap) -> Value {
    map.iter().map(|(position, version)| json!([position, version])).collect()
}

fn places(places: &Places) -> Value {
    let places = places.iter().map(|(version, place)| {
        let commitment = place.commitment.map(|digest| hex::encode(digest.0));
        (version.to_string(), json!([hex::encode(place.vrf_output.0), commitment]))
    });
    Value::Object(places.collect())
}

fn owner(owner: &Owner) -> Value {
    json!({ "start": owner.start(), "greatest": owner.greatest(), "inserted": map(owner.inserted()), "map": map(owner.map()), "vrf": places(owner.places()) })
}

fn known(heads: &[KnownHead]) -> Value {
    let heads = heads.iter().map(|head| {
        let (_, entry) = head.view().frontier().last().unwrap();
        let subtrees: Vec<String> = head.view().full_subtrees().iter().map(|digest| hex::encode(digest.0)).collect();
        json!({ "entry": head.entry(), "timestamp": entry.timestamp, "prefix_root": hex::encode(entry.prefix_root.0),
                "full_subtrees": subtrees, "frontier": frontier(head.view()) })
    });
    heads.collect()
}

fn searches(file: &mut File, suite: CipherSuite) {
    let mut world = World::new(suite);
    let (mut early, mut watched) = (None, Watched::default());
    for entry in 0..14_u64 {
        let labels: &[&str] = if [2, 6, 7, 12].contains(&entry) { &["alice", "bob"] } else { &["bob", "carol"] };
        world.add(if entry == 9 { 1500 } else { 60 }, labels);
        if entry == 6 {
            let found = search(file, &world, "as a newcomer, early", None, "alice", None);
            watched.watch(&found.0);
            early = Some(found.1);
        }
    }
    let early = early.unwrap();
    for (what, view) in [("as a newcomer", None), ("with a head of 7 entries", Some(&early))] {
        let newest = search(file, &world, &format!("of the greatest version {what}"), view, "alice", None).1;
        for version in 0..4 {
            search(file, &world, &format!("of version {version} {what}"), view, "alice", Some(version));
        }
        search(file, &world, &format!("with the newest head, known {what}"), Some(&newest), "carol", None);
        search(
            file,
            &world,
            &format!("of version 1 with the newest head, known {what}"),
            Some(&newest),
            "alice",
            Some(1),
        );
    }
    let request = watched.request(b"alice", Some(&early));
    let mut case = world.case("contact-monitor", "of one version", Some(&early));
    case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
    case.insert("vrf".to_owned(), places(watched.places()));
    let bytes = world.log.contact_monitor(&request, None).unwrap().encode().unwrap();
    let verify = |bytes: &[u8]| {
        let response = ContactMonitorResponse::decode(bytes, &world.config)?;
        world.verifier().contact_monitor(Some(&early), &watched, &response, world.now)
    };
    file.add(case, "response", &bytes, verify, |watched| json!({ "map": map(watched.map()) }));
    walk(file, &world, None);
    walk(file, &world, Some(&early));
}

fn search(
    file: &mut File,
    world: &World,
    what: &str,
    view: Option<&TreeView>,
    label: &str,
    version: Option<u32>,
) -> (quicprochat_keytrans::verify::Found, TreeView) {
    let request = SearchRequest { last: view.map(TreeView::size), label: label.into(), version };
    let mut case = world.case("search", what, view);
    case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
    let bytes = world.log.search(&request, None).unwrap().encode().unwrap();
    let verify = |bytes: &[u8]| {
        let response = SearchResponse::decode(bytes, &request, &world.config)?;
        world.verifier().search(view, &request, &response, world.now)
    };
    let found = file.add(case, "response", &bytes, verify, |found| {
        json!({ "version": found.version, "value": hex::encode(&found.value), "terminal": found.terminal, "monitor": found.must_monitor })
    });
    (found, verify(&bytes).unwrap().view)
}

fn walk(file: &mut File, world: &World, view: Option<&TreeView>) -> Vec<KnownHead> {
    let request = DistinguishedRequest { last: view.map(TreeView::size), stop: None };
    let mut case = world.case("distinguished", &format!("of {} entries", world.log.size()), view);
    case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
    case.insert("recent".to_owned(), json!(quicprochat_keytrans::verify::RECENT));
    let bytes = world.log.distinguished(&request, None).unwrap().encode().unwrap();
    let verify = |bytes: &[u8]| {
        let response = DistinguishedResponse::decode(bytes, &world.config)?;
        world.verifier().distinguished(view, &request, &response, world.now)
    };
    file.add(case, "response", &bytes, verify, |heads| {
        let heads = heads.iter().map(|head| json!([head.entry(), hex::encode(head.view().root().unwrap().0)]));
        json!({ "heads": heads.collect::<Vec<_>>() })
    })
}

fn owners(file: &mut File, suite: CipherSuite) {
    let mut world = World::new(suite);
    for entry in 0..5 {
        world.add(700, if entry == 1 { &["alice"] } else { &["bob"] });
    }
    let heads = walk(file, &world, None);
    let start = heads.last().unwrap().entry();
    let request = OwnerInitRequest { last: None, label: b"alice".to_vec(), start };
    let mut case = world.case("owner-init", "at the newest distinguished entry", None);
    case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
    let bytes = world.log.owner_init(&request, None).unwrap().encode().unwrap();
    let verify = |bytes: &[u8]| {
        let response = OwnerInitResponse::decode(bytes, &world.config)?;
        world.verifier().owner_init(None, &request, &response, world.now)
    };
    let mut mine = file.add(case, "response", &bytes, verify, |found| json!({ "owner": owner(found) }));
    let mut view = verify(&bytes).unwrap().view;
    for round in 0..3_u32 {
        let versions: &[&str] = [&["alice"][..], &["alice", "alice", "alice"], &["alice", "bob"]][round as usize];
        world.add(50, &["bob"]);
        world.add(50, versions);
        for _ in 0..round * 3 {
            world.add(400, &["bob"]);
        }
        let request = mine.update_request(Some(&view), Vec::new());
        let mut case = world.case("update", &format!("{round}"), Some(&view));
        case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
        case.insert("owner".to_owned(), owner(&mine));
        let bytes = world.log.update(&request, mine.known_to(), None).unwrap().encode().unwrap();
        let verify = |bytes: &[u8]| {
            let response = UpdateResponse::decode(bytes, &world.config)?;
            world.verifier().update(Some(&view), &mine, &request, &response, world.now)
        };
        let found = file.add(case, "response", &bytes, verify, |found| {
            json!({ "owner": owner(&found.owner), "values": found.values.iter().map(hex::encode).collect::<Vec<_>>() })
        });
        view = verify(&bytes).unwrap().view;
        mine = found.owner;
        let request = mine.monitor_request(Some(&view));
        let mut case = world.case("owner-monitor", &format!("{round}"), Some(&view));
        case.insert("request".to_owned(), json!(hex::encode(request.encode().unwrap())));
        case.insert("owner".to_owned(), owner(&mine));
        let bytes = world.log.owner_monitor(&request, None).unwrap().encode().unwrap();
        let verify = |bytes: &[u8]| {
            let response = OwnerMonitorResponse::decode(bytes, &world.config)?;
            world.verifier().owner_monitor(Some(&view), &mine, &response, world.now)
        };
        let found = file.add(case, "response", &bytes, verify, |found| json!({ "owner": owner(&found.owner) }));
        view = verify(&bytes).unwrap().view;
        mine = found.owner;
    }
}

fn credentials(file: &mut File, suite: CipherSuite) {
    let mut world = World::new(suite);
    world.add(0, &["alice"]);
    world.add(1500, &["bob"]);
    let heads = walk(file, &world, None);
    let base = heads.last().unwrap().entry();
    present(file, &world, "that is standard", base, &heads);
    world.add(10, &["alice"]);
    let size = world.log.size();
    let (credential, status) = present(file, &world, "that is provisional", base, &heads);
    let Status::Provisional(provisional) = status else { unreachable!() };
    for _ in 0..5 {
        world.add(700, &["bob"]);
    }
    let later: Vec<KnownHead> =
        walk(file, &world, None).into_iter().filter(|head| head.entry() >= size).take(1).collect();
    let update = world.log.credential_update(b"alice", (provisional.terminal, 1), size, later[0].entry()).unwrap();
    let mut case = world.case("credential-update", "to a later entry", None);
    case.insert("credential".to_owned(), json!(hex::encode(credential.encode().unwrap())));
    case.insert("known".to_owned(), known(&[heads, later.clone()].concat()));
    file.add_plain(case, "update", &update.encode().unwrap(), |bytes| {
        let update = CredentialUpdate::decode(bytes)?;
        world.verifier().finish_credential(&provisional, &update, &later[0]).map(|()| (json!({ "state": null }), ()))
    });
}

fn present(file: &mut File, world: &World, what: &str, base: u64, heads: &[KnownHead]) -> (Credential, Status) {
    let credential = world.log.credential(b"alice", base).unwrap();
    let mut case = world.case("credential", what, None);
    case.insert("known".to_owned(), known(heads));
    let status = file.add_plain(case, "credential", &credential.encode().unwrap(), |bytes| {
        let credential = Credential::decode(bytes, &world.config)?;
        let found = world.verifier().credential(&credential, heads)?;
        let after = json!({ "label": hex::encode(&found.label), "version": found.version, "value": hex::encode(&found.value),
                            "final": found.status == Status::Final, "state": null });
        Ok((after, found.status))
    });
    (credential, status)
}
