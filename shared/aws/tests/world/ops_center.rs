use std::collections::BTreeMap;

use mend_core::account::PrincipalArn;
use mend_core::automation::OpsItemId;
use mend_core::policy::{Category, Severity};
use mend_core::report::{OperationalValue, OpsItemContent, OpsItemStatus};
use mend_core::time::Timestamp;
use mend_responder::world::{OpsCenter, OpsItemSeen};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::samples::{INCIDENT, incident_id, seconds_ago};
use crate::wire::{Answer, Call, Wire, call};

const REMEDY: &str = "check that OpsCenter is set up, that its quota is not used up, and that the function's role may write OpsItems";
const ID: OpsItemId = OpsItemId::from_static("oi-0123456789ab");

fn content(status: OpsItemStatus) -> OpsItemContent {
    OpsItemContent {
        title: "SSH is open: sg-1".to_owned(),
        description: "**SSH is open**".to_owned(),
        severity: Severity::High,
        category: Category::Security,
        status,
        operational_data: BTreeMap::from([
            ("/aws/dedup".to_owned(), OperationalValue::Searchable(r#"{"dedupString":"mend/1"}"#.to_owned())),
            ("mend/incident".to_owned(), OperationalValue::Searchable("i-1".to_owned())),
            ("mend/timeline".to_owned(), OperationalValue::Plain("10:00 Observed".to_owned())),
        ]),
    }
}

fn creation() -> Call {
    call(
        "CreateOpsItem",
        json!({
            "Source": "Mend",
            "Title": "SSH is open: sg-1",
            "Description": "**SSH is open**",
            "Severity": "2",
            "Category": "Security",
            "OperationalData": {
                "/aws/dedup": {"Type": "SearchableString", "Value": r#"{"dedupString":"mend/1"}"#},
                "mend/incident": {"Type": "SearchableString", "Value": "i-1"},
                "mend/timeline": {"Type": "String", "Value": "10:00 Observed"},
            },
            "Tags": [{"Key": "Application", "Value": "mend"}],
        }),
    )
}

/// The dedup string cannot be changed, so it is not sent.
fn update(status: &str) -> Call {
    call(
        "UpdateOpsItem",
        json!({
            "OpsItemId": ID,
            "Title": "SSH is open: sg-1",
            "Description": "**SSH is open**",
            "Severity": "2",
            "Category": "Security",
            "Status": status,
            "OperationalData": {
                "mend/incident": {"Type": "SearchableString", "Value": "i-1"},
                "mend/timeline": {"Type": "String", "Value": "10:00 Observed"},
            },
        }),
    )
}

fn created() -> Answer {
    Answer::json(&json!({"OpsItemId": ID}))
}

fn done() -> Answer {
    Answer::json(&json!({}))
}

fn exists(id: &Value) -> Answer {
    Answer::error_with(400, "OpsItemAlreadyExistsException", json!({"Message": "dedup", "OpsItemId": id}))
}

fn creating() -> Operation<'static> {
    Operation {
        attempted: "create the OpsItem \"SSH is open: sg-1\"",
        remedy: REMEDY,
        success: created(),
        failure: Answer::error,
    }
}

fn updating() -> Operation<'static> {
    Operation {
        attempted: "update the OpsItem oi-0123456789ab",
        remedy: REMEDY,
        success: done(),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn creates_an_ops_item() {
    let wire = Wire::answering([created()]);
    assert_eq!(wire.world().create(&content(OpsItemStatus::Open)).await.unwrap(), ID);
    assert_eq!(wire.calls(), [creation()]);
}

#[tokio::test]
async fn an_ops_item_that_comes_late_is_brought_in_step_at_once() {
    for (status, name) in [(OpsItemStatus::InProgress, "InProgress"), (OpsItemStatus::Resolved, "Resolved")] {
        let wire = Wire::answering([created(), done()]);
        assert_eq!(wire.world().create(&content(status)).await.unwrap(), ID);
        assert_eq!(wire.calls(), [creation(), update(name)]);
    }
}

#[tokio::test]
async fn an_ops_item_that_exists_is_found_and_brought_in_step() {
    let wire = Wire::answering([exists(&json!(ID)), done()]);
    assert_eq!(wire.world().create(&content(OpsItemStatus::InProgress)).await.unwrap(), ID);
    assert_eq!(wire.calls(), [creation(), update("InProgress")]);
}

#[tokio::test]
async fn an_ops_item_that_exists_and_cannot_be_updated_is_not_taken_for_done() {
    let wire = Wire::answering([exists(&json!(ID)), Answer::error(400, "OpsItemConflictException")]);
    let error = wire.world().create(&content(OpsItemStatus::Open)).await.unwrap_err();
    updating().is_worth_another_try(&error, "OpsItemConflictException");
}

#[tokio::test]
async fn an_answer_without_an_id_is_an_error() {
    for answer in [done(), Answer::json(&json!({"OpsItemId": "oi-{{x}}"})), exists(&Value::Null)] {
        let wire = Wire::answering([answer]);
        let error = wire.world().create(&content(OpsItemStatus::Open)).await.unwrap_err();
        creating().stays(&error, "the answer carries no OpsItem id");
    }
}

#[tokio::test]
async fn updates_an_ops_item() {
    for (status, name) in [
        (OpsItemStatus::Open, "Open"),
        (OpsItemStatus::InProgress, "InProgress"),
        (OpsItemStatus::Resolved, "Resolved"),
    ] {
        let wire = Wire::answering([done()]);
        assert!(wire.world().update(&ID, &content(status), true).await.unwrap());
        assert_eq!(wire.calls(), [update(name)]);
    }
}

#[tokio::test]
async fn leaves_the_status_as_people_have_it() {
    let wire = Wire::answering([done()]);
    assert!(wire.world().update(&ID, &content(OpsItemStatus::Open), false).await.unwrap());
    let mut expected = update("Open");
    expected.body.as_object_mut().unwrap().remove("Status");
    assert_eq!(wire.calls(), [expected]);
}

fn data_of_incident() -> Value {
    json!({"mend/incident": {"Type": "SearchableString", "Value": INCIDENT}})
}

fn listing() -> Operation<'static> {
    Operation {
        attempted: "list the OpsItems that have changed since 2026-03-04T05:05:07Z",
        remedy: REMEDY,
        success: Answer::json(&json!({"OpsItemSummaries": []})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn lists_what_has_changed_page_by_page() {
    let lee = "arn:aws:iam::123456789012:user/lee";
    let page =
        |summary: Value, next: Value| Answer::json(&json!({"OpsItemSummaries": [summary], "NextToken": next}));
    let summary = |status: &str, data: Value| {
        json!({
            "OpsItemId": ID, "Status": status, "OperationalData": data,
            "LastModifiedBy": lee, "LastModifiedTime": 1_772_600_767.5,
        })
    };
    let wire = Wire::answering([
        page(summary("Resolved", data_of_incident()), json!("2")),
        // Somebody else's, with the same source.
        page(summary("Open", json!({})), json!("3")),
        // A status that people do not give to a problem.
        page(summary("PendingApproval", data_of_incident()), json!("4")),
        page(summary("InProgress", data_of_incident()), Value::Null),
    ]);
    let seen = wire.world().changed_since(seconds_ago(60)).await.unwrap();
    let expected = |is_resolved| OpsItemSeen {
        id: ID,
        incident: incident_id(),
        is_resolved,
        by: Some(PrincipalArn::from_static(lee)),
        changed_at: Timestamp::from_milliseconds(1_772_600_767_500),
    };
    assert_eq!(seen, [expected(true), expected(false)]);
    let filters = json!([
        {"Key": "Source", "Operator": "Equal", "Values": ["Mend"]},
        {"Key": "LastModifiedTime", "Operator": "GreaterThan", "Values": ["2026-03-04T05:05:07Z"]},
    ]);
    let calls = wire.calls();
    assert_eq!(calls[0], call("DescribeOpsItems", json!({"OpsItemFilters": filters})));
    assert_eq!(calls[2], call("DescribeOpsItems", json!({"OpsItemFilters": filters, "NextToken": "3"})));
}

#[tokio::test]
async fn finds_the_ops_item_of_an_incident_whatever_its_status() {
    let found = json!({"OpsItemSummaries": [{"OpsItemId": ID, "Status": "Resolved"}]});
    let wire = Wire::answering([Answer::json(&found), Answer::json(&json!({"OpsItemSummaries": []}))]);
    let world = wire.world();
    assert_eq!(world.find(&incident_id()).await.unwrap(), Some(ID));
    assert_eq!(world.find(&incident_id()).await.unwrap(), None);
    let data = json!({"key": "mend/incident", "value": INCIDENT}).to_string();
    let filter = json!({"Key": "OperationalData", "Operator": "Equal", "Values": [data]});
    assert_eq!(wire.calls()[0], call("DescribeOpsItems", json!({"OpsItemFilters": [filter]})));
}

#[tokio::test]
async fn reads_of_which_incident_an_ops_item_is() {
    let with = |data: Value| Answer::json(&json!({"OpsItem": {"OpsItemId": ID, "OperationalData": data}}));
    for (answer, expected) in [
        (with(data_of_incident()), Some(incident_id())),
        (with(json!({"mend/incident": {"Value": "{{ x }}"}})), None),
        (with(json!({})), None),
        (Answer::error(400, "OpsItemNotFoundException"), None),
    ] {
        let wire = Wire::answering([answer]);
        assert_eq!(wire.world().incident_of(&ID).await.unwrap(), expected);
        assert_eq!(wire.calls(), [call("GetOpsItem", json!({"OpsItemId": ID}))]);
    }
}

#[tokio::test]
async fn an_ops_item_that_was_deleted_is_said_to_be_gone() {
    let wire = Wire::answering([Answer::error(400, "OpsItemNotFoundException")]);
    assert!(!wire.world().update(&ID, &content(OpsItemStatus::Open), true).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    creating().fails_well(async |world| world.create(&content(OpsItemStatus::Open)).await).await;
    updating().fails_well(async |world| world.update(&ID, &content(OpsItemStatus::Open), true).await).await;
    listing().fails_well(async |world| world.changed_since(seconds_ago(60)).await).await;
    Operation {
        attempted: "look for the OpsItem of incident 0123456789abcdef0123456789abcdef-1",
        remedy: REMEDY,
        success: done(),
        failure: Answer::error,
    }
    .fails_well(async |world| world.find(&incident_id()).await)
    .await;
    Operation {
        attempted: "read the OpsItem oi-0123456789ab",
        remedy: REMEDY,
        success: done(),
        failure: Answer::error,
    }
    .fails_well(async |world| world.incident_of(&ID).await)
    .await;
    for (code, operation) in
        [("OpsItemLimitExceededException", creating()), ("OpsItemInvalidParameterException", updating())]
    {
        let wire = Wire::answering([Answer::error(400, code)]);
        let world = wire.world();
        let error = if operation.attempted.starts_with("create") {
            world.create(&content(OpsItemStatus::Open)).await.unwrap_err()
        } else {
            world.update(&ID, &content(OpsItemStatus::Open), true).await.unwrap_err()
        };
        operation.stays(&error, code);
    }
}
