use mend_runtime::samples::{self, place};
use serde_json::json;

use super::*;

fn sample(name: &str) -> Value {
    samples::sample("automation-outcome", name)
}

fn parsed(payload: Value) -> Result<Result<ExecutionId, Decision>, MalformedEvent> {
    parse(payload, &place(), Timestamp::parse("2026-11-24T17:21:00Z").unwrap())
}

#[test]
fn the_end_of_a_mend_runbook_names_its_execution() {
    for name in ["success", "failed", "timed-out", "canceled"] {
        let execution = parsed(sample(name)).unwrap().unwrap();
        assert_eq!(execution.as_str(), "2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f", "{name}");
    }
}

#[test]
fn others_runbooks_are_ignored() {
    let decision = parsed(sample("other-runbook")).unwrap().unwrap_err();
    assert_eq!(decision, Decision::new(Verdict::Ignore, Reason::NotAnAttempt));
}

#[test]
fn every_status_that_aws_documents_is_sorted() {
    for (status, ended) in [
        ("Success", true),
        ("Failed", true),
        ("TimedOut", true),
        ("Canceled", true),
        ("Cancelled", true),
        ("Rejected", true),
        ("InProgress", false),
        ("Waiting", false),
        ("Scheduled", false),
        ("Approved", false),
        ("PendingApproval", false),
        ("PendingChangeCalendarOverride", false),
    ] {
        let mut payload = sample("success");
        payload["detail"]["Status"] = json!(status);
        assert_eq!(parsed(payload).unwrap().is_ok(), ended, "{status}");
    }
}

#[test]
fn what_aws_varies_is_tolerated() {
    let mut payload = sample("success");
    let detail = payload["detail"].as_object_mut().unwrap();
    detail.remove("EndTime");
    detail.remove("ExecutedBy");
    detail.insert("DefinitionVersion".to_owned(), json!("$DEFAULT"));
    assert!(parsed(payload).unwrap().is_ok());
}

#[test]
fn a_malformed_event_is_an_error_that_names_the_field() {
    for (field, value, expected) in [
        ("ExecutionId", Value::Null, "detail.ExecutionId: invalid type: null"),
        ("ExecutionId", json!("{{ x }}"), "detail.ExecutionId: an execution id must be"),
        ("Definition", json!(3), "detail.Definition: invalid type: integer"),
        ("Status", json!([]), "detail.Status: invalid type"),
    ] {
        let mut payload = sample("success");
        payload["detail"][field] = value;
        let error = parsed(payload).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
