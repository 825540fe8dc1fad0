use mend_runtime::samples::{self, place};
use serde_json::json;

use super::*;

fn sample(name: &str) -> Value {
    samples::sample("ops-item-update", name)
}

fn parsed(payload: Value) -> Result<Result<OpsItemChange, Decision>, MalformedEvent> {
    parse(payload, &place(), Timestamp::parse("2026-11-24T17:21:00Z").unwrap())
}

fn ignored(payload: Value) -> Reason {
    let decision = parsed(payload).unwrap().unwrap_err();
    assert_eq!(decision.verdict, Verdict::Ignore);
    decision.reasons.into_iter().next().unwrap()
}

#[test]
fn a_person_resolves_or_reopens() {
    let incident: IncidentId = "0123456789abcdef0123456789abcdef-2".parse().unwrap();
    for (name, state) in [("resolved-by-person", CauseState::Clear), ("reopened-by-person", CauseState::Violated)]
    {
        let word = parsed(sample(name)).unwrap().unwrap().word_about(incident.clone());
        let expected = PersonsWord {
            incident: incident.clone(),
            ops_item: OpsItemId::from_static("oi-0a1b2c3d4e5f"),
            state,
            by: Some(PrincipalArn::from_static("arn:aws:iam::123456789012:user/lee")),
            at: Timestamp::parse("2026-11-24T17:20:01.730Z").unwrap(),
        };
        assert_eq!(word, expected, "{name}");
    }
}

#[test]
fn what_mend_and_others_do_is_ignored() {
    assert_eq!(ignored(sample("updated-by-mend")), Reason::OwnChange);
    assert_eq!(ignored(sample("other-source")), Reason::NotAnIncident);
    // Another environment's Mend, or a person in a role, is not this one.
    let mut payload = sample("updated-by-mend");
    for session in ["mend-prod-config-compliance", "lee"] {
        payload["detail"]["modified-by"] = json!(format!("arn:aws:sts::123456789012:assumed-role/any/{session}"));
        assert!(parsed(payload.clone()).unwrap().is_ok(), "{session}");
    }
}

#[test]
fn every_status_is_sorted() {
    for (status, expected) in [
        ("Open", Some(CauseState::Violated)),
        ("InProgress", Some(CauseState::Violated)),
        ("Resolved", Some(CauseState::Clear)),
        ("PendingApproval", None),
        ("Closed", None),
    ] {
        let mut payload = sample("resolved-by-person");
        payload["detail"]["status"] = json!(status);
        assert_eq!(parsed(payload).unwrap().ok().map(|change| change.state), expected, "{status}");
    }
}

#[test]
fn a_replay_and_an_old_event_are_no_word_of_today() {
    let mut replayed = sample("resolved-by-person");
    replayed["replay-name"] = json!("replay");
    assert_eq!(ignored(replayed), Reason::NotLive);
    let mut old = sample("resolved-by-person");
    old["time"] = json!("2026-11-20T17:20:03Z");
    assert_eq!(ignored(old), Reason::NotLive);
}

#[test]
fn a_malformed_event_is_an_error_that_names_the_field() {
    for (field, value, expected) in [
        ("ops-item-id", json!("oi-{{ x }}"), "detail.ops-item-id: an OpsItem id must be"),
        ("modified-by", Value::Null, "detail.modified-by: invalid type: null"),
        ("modified-by", json!("lee\n"), "detail.modified-by: a principal's ARN must be"),
        ("modified-time", json!("yesterday"), "detail.modified-time: "),
        ("modified-time", json!("2027-01-01T00:00:00Z"), "detail.modified-time: lies in the future"),
        ("status", json!([]), "detail.status: invalid type"),
    ] {
        let mut payload = sample("resolved-by-person");
        payload["detail"][field] = value;
        let error = parsed(payload).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
