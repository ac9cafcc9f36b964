//! Features that replace cryptography or break rules are the simulated world's alone.
//!
//! A crate that has one may only hand it on under its own name; nothing enables one by default or for a dependency. So a build
//! has one only if somebody names it on the command line, with the simulator's package.

use anyhow::Result;
use cargo_metadata::Package;

use super::Finding;
use super::tree::Tree;
use crate::workspace;

/// The features, each with the crates that may have it.
const FEATURES: &[(&str, &[&str])] = &[
    ("simulation", &["identity", "e2ee", "client-core", "server-core", "testkit"]),
    ("mutants", &["wire", "e2ee", "client-core", "server-core", "testkit"]),
];

pub(super) fn check(_: &Tree) -> Result<Vec<Finding>> {
    let metadata = workspace::metadata()?;
    Ok(metadata.workspace_packages().into_iter().flat_map(of_package).collect())
}

fn of_package(package: &Package) -> Vec<Finding> {
    let features = package.features.iter().map(|(name, enables)| (name.as_str(), enables.clone())).collect::<Vec<_>>();
    let dependencies =
        package.dependencies.iter().map(|dependency| (dependency.name.clone(), dependency.features.clone()));
    findings(
        package.name.strip_prefix("quicprochat-").unwrap_or(&package.name),
        &features,
        &dependencies.collect::<Vec<_>>(),
    )
}

fn findings(package: &str, features: &[(&str, Vec<String>)], dependencies: &[(String, Vec<String>)]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (feature, crates) in FEATURES {
        for (name, enables) in features {
            if name == feature && !crates.contains(&package) {
                found.push(Finding::file(package, format!("may not have the feature {feature}")));
            }
            let hands_on = |enabled: &&String| enabled.rsplit('/').next() == Some(feature);
            if name != feature && enables.iter().any(|enabled| hands_on(&enabled)) {
                found.push(Finding::file(package, format!("its feature {name} enables {feature}")));
            }
        }
        let enabling = dependencies.iter().filter(|(_, features)| features.iter().any(|name| name == feature));
        for (name, _) in enabling {
            found.push(Finding::file(package, format!("enables {feature} of its dependency {name}")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(package: &str, features: &[(&str, &[&str])], dependencies: &[(&str, &[&str])]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let features: Vec<_> = features.iter().map(|(name, enables)| (*name, owned(enables))).collect();
        let dependencies: Vec<_> =
            dependencies.iter().map(|(name, features)| ((*name).to_owned(), owned(features))).collect();
        findings(package, &features, &dependencies).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_feature_is_handed_on_under_its_own_name() {
        let handed = [("simulation", ["quicprochat-identity/simulation"].as_slice()), ("mutants", &[])];
        assert!(messages("e2ee", &handed, &[("quicprochat-wire", &[])]).is_empty());
    }

    #[test]
    fn products_have_none_and_enable_none() {
        assert_eq!(messages("server", &[("mutants", &[])], &[]), ["may not have the feature mutants"]);
        assert_eq!(messages("e2ee", &[("default", &["simulation"])], &[]), ["its feature default enables simulation"]);
        let found = messages("client", &[("fast", &["quicprochat-e2ee/simulation"])], &[]);
        assert_eq!(found, ["its feature fast enables simulation"]);
        let found = messages("cli", &[], &[("quicprochat-e2ee", &["simulation"])]);
        assert_eq!(found, ["enables simulation of its dependency quicprochat-e2ee"]);
    }
}
