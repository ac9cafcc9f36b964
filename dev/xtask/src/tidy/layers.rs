//! Crates use lower layers only, and only as listed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;
use super::tree::Tree;
use crate::workspace;

/// Own crates by folder name, with the own crates each may use. No edge leads upwards or stays in its layer.
#[rustfmt::skip]
const LAYERS: &[Layer] = &[
    Layer { name: "wire",        level: 0, may_use: &[] },
    Layer { name: "identity",    level: 1, may_use: &["wire"] },
    Layer { name: "keytrans",    level: 1, may_use: &[] },
    Layer { name: "e2ee",        level: 2, may_use: &["wire", "identity"] },
    Layer { name: "client-core", level: 3, may_use: &["wire", "identity", "e2ee"] },
    Layer { name: "server-core", level: 3, may_use: &["wire", "identity"] },
    Layer { name: "transport",   level: 4, may_use: &["wire"] },
    Layer { name: "client",      level: 5, may_use: &["wire", "identity", "e2ee", "client-core", "transport"] },
    Layer { name: "server",      level: 5, may_use: &["wire", "identity", "server-core", "transport"] },
    Layer { name: "cli",         level: 6, may_use: &["wire", "identity", "client"] },
    Layer { name: "testkit",     level: 6, may_use: &["wire", "identity", "e2ee", "client-core", "server-core", "transport", "client", "server"] },
    Layer { name: "bench",       level: 6, may_use: &["wire", "identity", "e2ee", "client-core", "transport", "client"] },
    Layer { name: "powerloss",   level: 0, may_use: &[] },
    Layer { name: "powerloss-layer", level: 6, may_use: &["powerloss"] },
    Layer { name: "xtask",       level: 6, may_use: &["powerloss"] },
];

/// What no chain of dependencies may reach, whatever the table above says.
const UNREACHABLE: &[(&str, &[&str])] = &[
    // The server has no type that could hold a plaintext or a private message key.
    ("server", &["e2ee", "client-core", "client"]),
    ("server-core", &["e2ee", "client-core", "client"]),
];

/// What integration tests may use besides: the simulated world.
const MAY_BE_DEV_DEPENDENCY: &[&str] = &["testkit", "server-core"];

struct Layer {
    name: &'static str,
    level: u8,
    may_use: &'static [&'static str],
}

/// A dependency of one own crate on another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    is_dev: bool,
}

pub(super) fn check(_: &Tree) -> Result<Vec<Finding>> {
    let metadata = workspace::metadata()?;
    let names: BTreeSet<String> = metadata.workspace_packages().iter().map(|package| short(&package.name)).collect();
    Ok(findings(&names, &edges(&metadata, &names)))
}

fn findings(names: &BTreeSet<String>, edges: &BTreeSet<Edge>) -> Vec<Finding> {
    let unlisted = names.iter().filter(|name| layer(name).is_none());
    let mut found: Vec<Finding> =
        unlisted.map(|name| Finding::file(name, "is not in the table of layers: add it on purpose")).collect();
    for edge in edges.iter().filter(|edge| !is_allowed(edge)) {
        let kind = if edge.is_dev { "dev-dependency" } else { "dependency" };
        found.push(Finding::file(&edge.from, format!("may not have the {kind} {}", edge.to)));
    }
    for (from, forbidden) in UNREACHABLE {
        let reached = reachable(from, edges);
        for to in forbidden.iter().filter(|to| reached.contains(**to)) {
            found.push(Finding::file(from, format!("reaches {to} through its dependencies")));
        }
    }
    found
}

fn is_allowed(edge: &Edge) -> bool {
    let (Some(from), Some(to)) = (layer(&edge.from), layer(&edge.to)) else { return false };
    if edge.is_dev && MAY_BE_DEV_DEPENDENCY.contains(&to.name) {
        return true;
    }
    from.level > to.level && from.may_use.contains(&to.name)
}

fn layer(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// Every crate that `from` links, itself excluded; what only tests link does not count.
fn reachable<'a>(from: &'a str, edges: &'a BTreeSet<Edge>) -> BTreeSet<&'a str> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| !edge.is_dev) {
        targets.entry(&edge.from).or_default().push(&edge.to);
    }
    let mut reached = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(next) = queue.pop() {
        for &to in targets.get(next).into_iter().flatten() {
            if reached.insert(to) {
                queue.push(to);
            }
        }
    }
    reached
}

fn edges(metadata: &Metadata, names: &BTreeSet<String>) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let own = package.dependencies.iter().filter(|dependency| names.contains(&short(&dependency.name)));
        for dependency in own.filter(|dependency| dependency.path.is_some()) {
            let is_dev = dependency.kind == DependencyKind::Development;
            edges.insert(Edge { from: short(&package.name), to: short(&dependency.name), is_dev });
        }
    }
    edges
}

fn short(package: &str) -> String {
    package.strip_prefix("quicprochat-").unwrap_or(package).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(edges: &[(&str, &str, bool)]) -> Vec<String> {
        let edge = |&(from, to, is_dev): &(&str, &str, bool)| Edge { from: from.to_owned(), to: to.to_owned(), is_dev };
        let names = edges.iter().flat_map(|(from, to, _)| [(*from).to_owned(), (*to).to_owned()]).collect();
        let found = findings(&names, &edges.iter().map(edge).collect());
        found.into_iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
    }

    #[test]
    fn every_listed_edge_leads_to_a_lower_layer() {
        for from in LAYERS {
            for to in from.may_use {
                assert!(layer(to).unwrap().level < from.level, "{} -> {to}", from.name);
            }
        }
    }

    #[test]
    fn listed_edges_pass() {
        assert!(messages(&[("client-core", "e2ee", false), ("server", "transport", false)]).is_empty());
    }

    #[test]
    fn an_edge_upwards_or_aside_is_found() {
        assert_eq!(messages(&[("wire", "identity", false)]), ["wire: may not have the dependency identity"]);
        assert_eq!(messages(&[("transport", "server-core", false)]).len(), 1);
    }

    #[test]
    fn the_server_never_reaches_private_keys_even_through_others() {
        let found = messages(&[("server", "transport", false), ("transport", "e2ee", false)]);
        assert!(found.contains(&"server: reaches e2ee through its dependencies".to_owned()), "{found:?}");
    }

    #[test]
    fn only_the_simulated_world_may_be_a_dev_dependency_from_above() {
        assert!(messages(&[("server-core", "testkit", true)]).is_empty());
        assert_eq!(messages(&[("server-core", "e2ee", true)]).len(), 1);
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        let found = messages(&[("gossip", "wire", false)]);
        assert!(found.contains(&"gossip: is not in the table of layers: add it on purpose".to_owned()), "{found:?}");
    }
}
