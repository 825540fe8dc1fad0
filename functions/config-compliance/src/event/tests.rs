use mend_core::signal::Freshness;
use mend_runtime::samples::{self, place};
use serde_json::json;

use super::*;

fn sample(name: &str) -> Value {
    samples::sample("config-compliance", name)
}

fn parsed(payload: Value) -> Result<Result<Signal, Decision>, MalformedEvent> {
    parse(payload, &place(), Timestamp::parse("2026-11-24T07:00:00Z").unwrap())
}

/// The sample of an open security group, with one field changed.
fn changed(pointer: &str, value: Value) -> Value {
    let mut payload = sample("open-ssh");
    *payload.pointer_mut(pointer).expect(pointer) = value;
    payload
}

#[test]
fn a_violation_becomes_a_signal() {
    let signal = parsed(sample("open-ssh")).unwrap().unwrap();
    assert_eq!(
        signal,
        Signal {
            cause: Cause::ConfigRule(ConfigRuleName::from_static("restricted-ssh")),
            resource: Resource {
                account: AccountId::from_static("123456789012"),
                region: Region::from_static("eu-central-1"),
                kind: ResourceType::from_static("AWS::EC2::SecurityGroup"),
                id: ResourceId::from_static("sg-0badcafe0badcafe1"),
            },
            state: CauseState::Violated,
            at: Timestamp::parse("2026-11-24T05:05:50Z").unwrap(),
            recorded_at: Timestamp::parse("2026-11-24T05:05:58.900Z").unwrap(),
            freshness: Freshness::Live,
            changed_by: None,
        }
    );
}

#[test]
fn every_compliance_type_says_its_own() {
    for (name, state) in [
        ("open-ssh", CauseState::Violated),
        ("conformance-pack", CauseState::Violated),
        ("security-hub", CauseState::Violated),
        ("public-bucket", CauseState::Violated),
        ("volumes-unencrypted-by-default", CauseState::Violated),
        ("key-without-rotation", CauseState::Violated),
        ("closed-ssh", CauseState::Clear),
        ("blocked-bucket", CauseState::Clear),
        ("volumes-encrypted-by-default", CauseState::Clear),
        ("key-with-rotation", CauseState::Clear),
        ("not-applicable", CauseState::Clear),
    ] {
        assert_eq!(parsed(sample(name)).unwrap().unwrap().state, state, "{name}");
    }
    let decision = parsed(sample("insufficient-data")).unwrap().unwrap_err();
    assert_eq!(decision, Decision::new(Verdict::Ignore, Reason::InsufficientData));
}

#[test]
fn a_member_accounts_resource_is_left_to_its_own_mend() {
    let decision = parsed(sample("member-account")).unwrap().unwrap_err();
    let member = AccountId::from_static("210987654321");
    assert_eq!(decision, Decision::new(Verdict::Ignore, Reason::MemberAccount(member)));
}

#[test]
fn a_resource_of_another_region_is_left_to_its_own_mend() {
    let decision = parsed(changed("/detail/awsRegion", json!("us-east-1"))).unwrap().unwrap_err();
    let region = Region::from_static("us-east-1");
    assert_eq!(decision, Decision::new(Verdict::Ignore, Reason::OtherRegion(region)));
}

#[test]
fn an_event_for_another_account_is_rejected() {
    let decision = parsed(changed("/account", json!("999999999999"))).unwrap().unwrap_err();
    assert_eq!(decision.verdict, Verdict::Reject);
}

#[test]
fn hostile_text_is_rejected_and_not_repeated() {
    let long = "x".repeat(10_240);
    let ids = [
        "{{ global:ACCOUNT_ID }}",
        "{{global:ACCOUNT_ID}}",
        "sg-1\"",
        "sg-1'; --",
        "sg-1\nsg-2",
        "",
        &long,
        "sg-\u{202e}",
    ];
    for id in ids {
        let decision = parsed(changed("/detail/resourceId", json!(id))).unwrap().unwrap_err();
        assert_eq!(decision.verdict, Verdict::Reject, "{id:?}");
        let reason = decision.reasons.first().unwrap().to_string();
        assert!(reason.starts_with("detail.resourceId: a resource id must be"), "{reason}");
        assert!(id.is_empty() || !reason.contains(id), "{reason}");
    }
    for (field, value) in
        [("/detail/resourceType", "AWS::EC2::{{x}}"), ("/detail/configRuleName", "restricted-ssh\u{0}")]
    {
        assert_eq!(parsed(changed(field, json!(value))).unwrap().unwrap_err().verdict, Verdict::Reject, "{field}");
    }
}

#[test]
fn a_malformed_event_is_an_error_that_names_the_field() {
    let ordering = "/detail/newEvaluationResult/evaluationResultIdentifier/orderingTimestamp";
    for (field, value, expected) in [
        ("/detail", Value::Null, "detail: must be an object"),
        ("/detail/messageType", json!("Other"), "detail.messageType: must be ComplianceChangeNotification"),
        ("/detail/resourceId", json!(17), "detail.resourceId: invalid type: integer"),
        ("/detail/resourceId", Value::Null, "detail.resourceId: invalid type: null"),
        ("/detail/awsAccountId", json!("12"), "detail.awsAccountId: an account id must be 12 digits"),
        ("/detail/newEvaluationResult", json!([]), "detail.newEvaluationResult"),
        (
            "/detail/newEvaluationResult/complianceType",
            json!("UNSURE"),
            "detail.newEvaluationResult.complianceType: must be COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE",
        ),
        (ordering, json!("yesterday"), "orderingTimestamp: a time must look like"),
        (ordering, json!("2026-11-24T07:01:01Z"), "orderingTimestamp: lies in the future"),
    ] {
        let error = parsed(changed(field, value)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} should name {expected}");
        assert!(!error.contains("UNSURE") && !error.contains("yesterday"), "{error} repeats the event's text");
    }
}

#[test]
fn unknown_fields_and_nulls_that_mend_does_not_need_are_tolerated() {
    let mut payload = sample("open-ssh");
    payload["detail"]["muteDetail"] = json!({"new": true});
    payload["detail"]["oldEvaluationResult"] = Value::Null;
    payload["detail"]["newEvaluationResult"]["annotation"] = Value::Null;
    payload["detail"]["newEvaluationResult"]["resultRecordedTime"] = Value::Null;
    payload["resources"] = Value::Null;
    assert!(parsed(payload).unwrap().is_ok());
}
