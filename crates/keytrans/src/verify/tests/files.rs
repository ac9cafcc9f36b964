//! Vector files: the one that the crate's example writes, and one of the small log in Python, which knows nothing of this code.

use serde_json::{Value, json};

use super::*;
use crate::{
    VrfOutput,
    audit::{Auditor, AuditorUpdate},
    message::{
        ContactMap, ContactMonitorRequest, ContactMonitorResponse, Credential, CredentialUpdate, OwnerInitRequest,
        OwnerInitResponse, OwnerMonitorResponse, UpdateRequest, UpdateResponse,
    },
};

const OURS: &str = include_str!("../../../vectors/keytrans.json");
const FOREIGN: &str = include_str!("../../../vectors/python.json");

#[test]
fn every_case_of_our_file_comes_out_as_it_says() {
    assert!(verify(OURS) > 600);
}

#[test]
fn every_case_of_another_program_comes_out_as_it_says() {
    assert!(verify(FOREIGN) > 150);
}

fn verify(file: &str) -> usize {
    let file: Value = serde_json::from_str(file).unwrap();
    assert_eq!(file["format"], "quicprochat keytrans vectors 1");
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        match outcome(case) {
            Ok(after) => {
                assert_eq!(case["valid"], true, "{}: accepted, although {}", case["name"], case["error"]);
                for (name, wanted) in case["after"].as_object().unwrap() {
                    assert_eq!(&after[name], wanted, "{}: {name}", case["name"]);
                }
            }
            Err(error) => assert_eq!(case["valid"], false, "{}: {error:?}", case["name"]),
        }
    }
    cases.len()
}

fn outcome(case: &Value) -> Result<Value, KeyTransError> {
    let config = Configuration::decode(&bytes(&case["config"]))?;
    if case["operation"] == "auditor-update" {
        return audit(case);
    }
    let view = read_state(&case["state"]);
    let (view, verifier) = (view.as_ref(), Verifier::new(&config));
    let (request, response) = (bytes(&case["request"]), bytes(&case["response"]));
    let now = case["now"].as_u64().unwrap();
    let (mut after, view) = match case["operation"].as_str().unwrap() {
        "search" => {
            let request = SearchRequest::decode(&request)?;
            let response = SearchResponse::decode(&response, &request, &config)?;
            let Verified { result, view, .. } = verifier.search(view, &request, &response, now)?;
            let after = json!({ "version": result.version, "value": hex::encode(result.value),
                                "terminal": result.terminal, "monitor": result.must_monitor });
            (after, Some(view))
        }
        "contact-monitor" => {
            let request = ContactMonitorRequest::decode(&request)?;
            let watched = Watched { map: request.entries, places: read_places(&case["vrf"]) };
            let response = ContactMonitorResponse::decode(&response, &config)?;
            let Verified { result, view, .. } = verifier.contact_monitor(view, &watched, &response, now)?;
            (json!({ "map": write_map(result.map()) }), Some(view))
        }
        "owner-init" => {
            let request = OwnerInitRequest::decode(&request)?;
            let response = OwnerInitResponse::decode(&response, &config)?;
            let Verified { result, view, .. } = verifier.owner_init(view, &request, &response, now)?;
            (json!({ "owner": write_owner(&result) }), Some(view))
        }
        "owner-monitor" => {
            let owner = read_owner(&case["owner"], &crate::message::OwnerMonitorRequest::decode(&request)?.label);
            let response = OwnerMonitorResponse::decode(&response, &config)?;
            let Verified { result, view, .. } = verifier.owner_monitor(view, &owner, &response, now)?;
            (json!({ "owner": write_owner(&result.owner) }), Some(view))
        }
        "update" => {
            let request = UpdateRequest::decode(&request)?;
            let owner = read_owner(&case["owner"], &request.label);
            let response = UpdateResponse::decode(&response, &config)?;
            let Verified { result, view, .. } = verifier.update(view, &owner, &request, &response, now)?;
            let values: Vec<String> = result.values.iter().map(hex::encode).collect();
            (json!({ "owner": write_owner(&result.owner), "values": values }), Some(view))
        }
        "distinguished" => {
            let request = DistinguishedRequest::decode(&request)?;
            let response = DistinguishedResponse::decode(&response, &config)?;
            assert_eq!(case["recent"], RECENT);
            let Verified { result, view, .. } = verifier.distinguished(view, &request, &response, now)?;
            let heads = result.iter().map(|head| json!([head.entry(), hex::encode(head.view().root().unwrap().0)]));
            (json!({ "heads": heads.collect::<Vec<_>>() }), Some(view))
        }
        "credential" => {
            let credential = Credential::decode(&bytes(&case["credential"]), &config)?;
            let found = verifier.credential(&credential, &read_known(&case["known"]))?;
            let after = json!({ "label": hex::encode(found.label), "version": found.version,
                                "value": hex::encode(found.value), "final": found.status == Status::Final });
            (after, view.cloned())
        }
        "credential-update" => {
            let known = read_known(&case["known"]);
            let credential = Credential::decode(&bytes(&case["credential"]), &config)?;
            // What came later is not known yet when the credential comes.
            let first: Vec<KnownHead> =
                known.iter().filter(|head| head.entry() == credential.position).cloned().collect();
            let Status::Provisional(provisional) = verifier.credential(&credential, &first)?.status else {
                panic!("{} is of a credential that is final", case["name"]);
            };
            let update = CredentialUpdate::decode(&bytes(&case["update"]))?;
            let later = known.iter().find(|head| head.entry() >= provisional.terminal).unwrap();
            verifier.finish_credential(&provisional, &update, later)?;
            (json!({}), view.cloned())
        }
        other => panic!("no operation: {other}"),
    };
    after["state"] = write_state(view.as_ref());
    Ok(after)
}

/// An auditor who follows a log from its first entry. What ours keeps is less than the file's: it knows of no removals.
fn audit(case: &Value) -> Result<Value, KeyTransError> {
    assert_eq!(case["auditor"]["size"], 0);
    let mut auditor = Auditor::new();
    for update in case["updates"].as_array().unwrap() {
        auditor.update(&AuditorUpdate::decode(&bytes(update))?)?;
    }
    let after = &case["after"]["auditor"];
    let size = after["size"].as_u64().unwrap();
    assert_eq!(auditor.root()?, root_of(size, &digests(&after["full_subtrees"])).unwrap(), "{}", case["name"]);
    Ok(case["after"].clone())
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_default()).unwrap()
}

fn digest(value: &Value) -> Digest {
    Digest(bytes(value).try_into().unwrap())
}

fn digests(value: &Value) -> Vec<Digest> {
    value.as_array().unwrap().iter().map(digest).collect()
}

fn entries(value: &Value) -> Vec<LogEntry> {
    let entry = |entry: &Value| LogEntry { timestamp: entry[0].as_u64().unwrap(), prefix_root: digest(&entry[1]) };
    value.as_array().unwrap().iter().map(entry).collect()
}

fn read_state(value: &Value) -> Option<TreeView> {
    let size = value["size"].as_u64()?;
    let (subtrees, frontier) = (digests(&value["full_subtrees"]), entries(&value["frontier"]));
    Some(TreeView::new(size, subtrees, frontier, value["auditor_size"].as_u64()).unwrap())
}

fn write_state(view: Option<&TreeView>) -> Value {
    view.map_or(Value::Null, |view| {
        let subtrees: Vec<String> = view.full_subtrees().iter().map(Digest::to_string).collect();
        let frontier: Vec<Value> =
            view.frontier().map(|(_, entry)| json!([entry.timestamp, entry.prefix_root.to_string()])).collect();
        json!({ "size": view.size(), "full_subtrees": subtrees, "frontier": frontier, "auditor_size": view.audited() })
    })
}

fn read_known(value: &Value) -> Vec<KnownHead> {
    let known = value.as_array().unwrap().iter();
    known
        .map(|head| {
            let size = head["entry"].as_u64().unwrap() + 1;
            let (subtrees, frontier) = (digests(&head["full_subtrees"]), entries(&head["frontier"]));
            KnownHead::new(TreeView::new(size, subtrees, frontier, None).unwrap())
        })
        .collect()
}

fn read_map(value: &Value) -> ContactMap {
    let pairs = value.as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap() as u32)).collect()
}

fn write_map(map: &ContactMap) -> Value {
    map.iter().map(|(position, version)| json!([position, version])).collect()
}

fn read_places(value: &Value) -> Places {
    let places = value.as_object().unwrap().iter();
    let place = |place: &Value| Place {
        vrf_output: VrfOutput(digest(&place[0]).0),
        commitment: if place[1].is_null() { None } else { Some(digest(&place[1])) },
    };
    Places(places.map(|(version, found)| (version.parse().unwrap(), place(found))).collect())
}

fn read_owner(value: &Value, label: &[u8]) -> Owner {
    Owner {
        label: label.to_vec(),
        start: value["start"].as_u64().unwrap(),
        greatest: value["greatest"].as_u64().map(|version| version as u32),
        inserted: read_map(&value["inserted"]),
        map: read_map(&value["map"]),
        places: read_places(&value["vrf"]),
    }
}

fn write_owner(owner: &Owner) -> Value {
    let places = owner.places.iter().map(|(version, place)| {
        let commitment = place.commitment.map(|digest| digest.to_string());
        (version.to_string(), json!([hex::encode(place.vrf_output.0), commitment]))
    });
    json!({ "start": owner.start, "greatest": owner.greatest, "inserted": write_map(&owner.inserted),
            "map": write_map(&owner.map), "vrf": Value::Object(places.collect()) })
}
