use std::time::Duration;

use mend_core::identity::IncidentId;
use mend_core::incident::{Resolution, State};
use mend_core::signal::ConfigRuleName;
use mend_responder::world::{Booking, Claim, Hold, LastRun, Ledger, News, OpenKey, Row, Write, Written};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::samples::{
    EXECUTION, FINGERPRINT, INCIDENT, incident, lease, now, outcome, row, seconds_ago, violation,
};
use crate::wire::{Answer, Call, TRIES, Wire, call};

pub(crate) const REMEDY: &str = "check that the table exists and that the function's role may use it and its key";
pub(crate) const REPAIR: &str = "the row was written by something else, or by a newer version: deploy that, or delete the row and the hold of its resource";
/// The SDK's own key for the transaction: its retries are one write.
const TOKEN: &str = "00000000-0000-4000-8000-000000000000";

/// A value in DynamoDB's notation.
pub(crate) fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(value) => json!({"BOOL": value}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(values) => json!({"L": values.iter().map(attribute).collect::<Vec<_>>()}),
        Value::Object(_) => json!({"M": item(value)}),
    }
}

pub(crate) fn item(fields: &Value) -> Value {
    fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

pub(crate) fn stored_resource() -> Value {
    json!({
        "account": "123456789012",
        "region": "eu-central-1",
        "type": "AWS::EC2::SecurityGroup",
        "id": "sg-0badcafe0badcafe1",
    })
}

fn stored_violation() -> Value {
    json!({
        "kind": "signal",
        "cause": "config-rule/restricted-ssh",
        "resource": stored_resource(),
        "violated": true,
        "at": 1_772_600_707_890_i64,
        "recorded_at": 1_772_600_708_890_i64,
        "freshness": "live",
    })
}

fn stored_outcome() -> Value {
    json!({
        "kind": "outcome",
        "incident": INCIDENT,
        "attempt": 2,
        "runbook": "Mend-CloseAdminPorts",
        "execution": EXECUTION,
        "parameters": {"SecurityGroupId": "sg-0badcafe0badcafe1"},
        "outcome": {"failed": "the rule came back"},
        "ended_at": 1_772_600_762_890_i64,
        "changes": "Removed 1 rule",
        "before_state": r#"{"rules":[]}"#,
    })
}

fn stored_incident() -> Value {
    let plan = json!({
        "runbook": "Mend-CloseAdminPorts",
        "version": "3",
        "role": "arn:aws:iam::123456789012:role/mend-dev-network",
        "parameters": {"SecurityGroupId": "sg-0badcafe0badcafe1"},
    });
    json!({
        "fingerprint": FINGERPRINT,
        "generation": 1,
        "resource": stored_resource(),
        "problem": "open-admin-ports",
        "route": "close-admin-ports",
        "severity": "high",
        "opened_at": 1_772_600_717_890_i64,
        "earlier": [],
        "changed_by": null,
        "evidence": "live",
        "causes": {"config-rule/restricted-ssh": {"violated": true, "at": 1_772_600_707_890_i64}},
        "state": {
            "name": "remediating",
            "attempt": {"number": 2, "plan": plan, "planned_at": 1_772_600_757_890_i64, "execution": null},
        },
        "finished": [{
            "attempt": {"number": 1, "plan": plan, "planned_at": 1_772_600_717_890_i64, "execution": EXECUTION},
            "outcome": "timed-out",
            "ended_at": 1_772_600_747_890_i64,
            "changes": null,
        }],
        "occasions": 2,
        "people_know": true,
        "outbox": ["ops-item", "runbook", "notification/Responding/2"],
        "approval": null,
        "withdrawn": [],
        "gathering": null,
        "ops_item": "oi-0123456789ab",
        "ops_item_shows": {"status": "open", "at": 1_772_600_718_890_i64},
        "notes": [{"at": 1_772_600_717_890_i64, "text": "Responding: restricted-ssh reports a violation"}],
    })
}

/// What was not in an incident's row before there were guard rails.
const NEW: [&str; 5] = ["earlier", "changed_by", "approval", "withdrawn", "gathering"];

/// [`row`], as the table holds it.
fn stored_row() -> Value {
    json!({
        "pk": format!("incident#{FINGERPRINT}"),
        "sk": "current",
        "version": 7,
        "settled": false,
        "lease_holder": "request-1/7",
        "lease_until": 1_772_600_802_890_i64,
        "heard": {"config-rule/restricted-ssh": "2026-03-04T05:05:07.890Z/2026-03-04T05:05:07.890Z"},
        "inbox": [stored_violation(), stored_outcome()],
        "incident": stored_incident(),
        "open": FINGERPRINT.as_str(),
    })
}

pub(crate) fn stored_row_but(changes: &Value) -> Value {
    let mut stored = stored_row();
    for (name, value) in changes.as_object().unwrap() {
        stored[name] = value.clone();
    }
    stored
}

fn key() -> Value {
    item(&json!({"pk": format!("incident#{FINGERPRINT}"), "sk": "current"}))
}

pub(crate) fn attributes(row: &Value) -> Answer {
    Answer::json(&json!({"Attributes": item(row)}))
}

pub(crate) fn condition_failed(old: Option<&Value>) -> Answer {
    let fields = old.map_or(json!({}), |old| json!({"Item": item(old)}));
    Answer::error_with(400, "ConditionalCheckFailedException", fields)
}

fn claim(news: &Value, teller: &str, at: &str, condition: &str) -> Call {
    call(
        "UpdateItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Key": key(),
            "UpdateExpression":
                "SET inbox = list_append(if_not_exists(inbox, :none), :news), \
                 lease_holder = :holder, lease_until = :until, settled = :false, #open = :fingerprint \
                 REMOVE expires_at ADD version :one",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#teller": teller, "#open": "open"},
            "ExpressionAttributeValues": item(&json!({
                ":none": [],
                ":news": [news],
                ":holder": "request-1/7",
                ":until": 1_772_600_802_890_i64,
                ":now": 1_772_600_767_890_i64,
                ":at": at,
                ":fingerprint": FINGERPRINT.as_str(),
                ":false": false,
                ":one": 1,
            })),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }),
    )
}

const CLAIMABLE: &str = "(attribute_not_exists(lease_until) OR lease_until <= :now) AND \
    (attribute_not_exists(settled) OR settled = :false \
     OR attribute_not_exists(heard.#teller) OR heard.#teller < :at)";

#[tokio::test]
async fn a_violation_claims_its_row_or_makes_it() {
    let wire = Wire::answering([attributes(&stored_row())]);
    let claimed = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap();
    assert_eq!(claimed, Claim::Mine(row()));
    let expected = claim(
        &stored_violation(),
        "config-rule/restricted-ssh",
        "2026-03-04T05:05:07.890Z/2026-03-04T05:05:08.890Z",
        CLAIMABLE,
    );
    assert_eq!(wire.calls(), [expected]);
}

#[tokio::test]
async fn the_first_claim_of_all_finds_nothing_but_its_own_news() {
    let new = json!({
        "pk": format!("incident#{FINGERPRINT}"),
        "sk": "current",
        "version": 1,
        "settled": false,
        "lease_holder": "request-1/7",
        "lease_until": 1_772_600_802_890_i64,
        "inbox": [stored_violation()],
    });
    let wire = Wire::answering([attributes(&new)]);
    let claimed = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap();
    let expected = Row {
        version: 1,
        lease: Some(lease()),
        incident: None,
        inbox: vec![violation()],
        heard: std::collections::BTreeMap::new(),
    };
    assert_eq!(claimed, Claim::Mine(expected));
}

#[tokio::test]
async fn an_outcome_claims_only_a_row_that_is_there() {
    let there = format!("{CLAIMABLE} AND attribute_exists(pk)");
    let wire = Wire::answering([condition_failed(None)]);
    let news = News::Outcome(outcome());
    let claimed = wire.world().claim(&FINGERPRINT, &news, &lease(), now()).await.unwrap();
    assert_eq!(claimed, Claim::Nothing);
    let teller = format!("attempt/{EXECUTION}");
    assert_eq!(
        wire.calls(),
        [claim(&stored_outcome(), &teller, "2026-03-04T05:06:02.890Z/2026-03-04T05:06:02.890Z", &there)]
    );
}

#[tokio::test]
async fn what_was_heard_without_an_incident_is_kept_for_two_days() {
    let row = Row { incident: None, ..row() };
    let wire = Wire::answering([Answer::json(&json!({}))]);
    wire.world().write(&write_of(&row)).await.unwrap();
    let kept = &wire.calls()[0].body["TransactItems"][0]["Put"]["Item"]["expires_at"];
    assert_eq!(kept, &attribute(&json!(1_772_600_767 + 2 * 86_400)));
}

#[tokio::test]
async fn a_claim_that_fails_says_why_from_the_row_that_is_there() {
    let at = now().milliseconds();
    let held_by = |holder: &str, until: i64| {
        let stored = stored_row_but(&json!({"lease_holder": holder, "lease_until": until}));
        let mut row = row();
        row.lease.as_mut().unwrap().holder = holder.to_owned();
        row.lease.as_mut().unwrap().until = mend_core::time::Timestamp::from_milliseconds(until);
        (stored, row)
    };
    let (others, others_row) = held_by("request-2/9", at + 1);
    let (lapsed, lapsed_row) = held_by("request-2/9", at);
    let (own, own_row) = held_by("request-1/7", at + 35_000);
    let mut at_rest = stored_row();
    at_rest.as_object_mut().unwrap().retain(|name, _| !name.starts_with("lease_"));
    let at_rest_row = Row { lease: None, ..row() };
    for (old, expected) in [
        (others, Claim::Busy(others_row)),
        // It was at rest already when the lease ran out.
        (lapsed, Claim::Known(lapsed_row)),
        // The answer to this claim was lost, and the SDK tried again.
        (own, Claim::Mine(own_row)),
        (at_rest, Claim::Known(at_rest_row)),
    ] {
        let wire = Wire::answering([condition_failed(Some(&old))]);
        let claimed = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap();
        assert_eq!(claimed, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_is_lost_is_found_to_have_been_made() {
    let wire = Wire::answering([Answer::error(500, "InternalServerError"), condition_failed(Some(&stored_row()))]);
    let claimed = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap();
    assert_eq!(claimed, Claim::Mine(row()));
}

#[tokio::test]
async fn news_is_left_with_the_holder_of_the_row() {
    let wire = Wire::answering([Answer::json(&json!({})), condition_failed(None)]);
    let world = wire.world();
    assert!(world.append(&FINGERPRINT, &violation(), "request-2/9", now()).await.unwrap());
    assert!(!world.append(&FINGERPRINT, &violation(), "request-2/9", now()).await.unwrap(), "not held any more");
    let append = call(
        "UpdateItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Key": key(),
            "UpdateExpression":
                "SET inbox = list_append(if_not_exists(inbox, :none), :news) ADD version :one",
            "ConditionExpression": "lease_holder = :holder AND lease_until > :now",
            "ExpressionAttributeValues": item(&json!({
                ":none": [],
                ":news": [stored_violation()],
                ":holder": "request-2/9",
                ":now": 1_772_600_767_890_i64,
                ":one": 1,
            })),
        }),
    );
    assert_eq!(wire.calls(), [append.clone(), append]);
}

#[tokio::test]
async fn reads_the_row_as_it_is_now() {
    let wire = Wire::answering([Answer::json(&json!({"Item": item(&stored_row())})), Answer::json(&json!({}))]);
    let world = wire.world();
    assert_eq!(world.read(&FINGERPRINT).await.unwrap(), Some(row()));
    assert_eq!(world.read(&FINGERPRINT).await.unwrap(), None);
    let get = call("GetItem", json!({"TableName": "mend-dev-ledger", "Key": key(), "ConsistentRead": true}));
    assert_eq!(wire.calls(), [get.clone(), get]);
}

static NOTHING_BOOKED: Booking =
    Booking { route: None, start: None, ends: false, ended: None, own_ops_item: None };

/// What comes of a write that books no start.
const DONE: Written = Written::Done { version: 8, start_at: None };

pub(crate) fn write_of(row: &Row) -> Write<'_> {
    Write {
        fingerprint: &FINGERPRINT,
        row,
        hold: Hold::Unchanged,
        booking: &NOTHING_BOOKED,
        now: now(),
        before_states: &[],
        history: None,
    }
}

pub(crate) fn put_row(stored: &Value, replaced: u64) -> Value {
    json!({"Put": {
        "TableName": "mend-dev-ledger",
        "Item": item(stored),
        "ConditionExpression": "version = :replaced",
        "ExpressionAttributeValues": item(&json!({":replaced": replaced})),
    }})
}

pub(crate) fn transaction(items: &[Value]) -> Call {
    call("TransactWriteItems", json!({"TransactItems": items, "ClientRequestToken": TOKEN}))
}

/// The resource's key in the ledger: half a SHA-256 over account, Region, type and id.
const RESOURCE: &str = "resource#575f6d706f3da375f0c816033eeee307";

#[tokio::test]
async fn a_write_replaces_the_version_that_was_read() {
    let row = row();
    let wire = Wire::answering([Answer::json(&json!({}))]);
    assert_eq!(wire.world().write(&write_of(&row)).await.unwrap(), DONE);
    assert_eq!(wire.calls(), [transaction(&[put_row(&stored_row_but(&json!({"version": 8})), 7)])]);
}

#[tokio::test]
async fn a_row_that_is_at_rest_says_so() {
    let mut row = Row { lease: None, inbox: Vec::new(), ..row() };
    row.incident.as_mut().unwrap().outbox.clear();
    let mut stored = stored_row_but(&json!({"version": 8, "settled": true, "inbox": []}));
    stored["incident"]["outbox"] = json!([]);
    stored.as_object_mut().unwrap().retain(|name, _| !name.starts_with("lease_"));
    let wire = Wire::answering([Answer::json(&json!({}))]);
    wire.world().write(&write_of(&row)).await.unwrap();
    assert_eq!(wire.calls(), [transaction(&[put_row(&stored, 7)])]);
}

#[tokio::test]
async fn a_row_with_anything_left_to_do_is_not_at_rest() {
    let at_rest = {
        let mut row = Row { lease: None, inbox: Vec::new(), ..row() };
        row.incident.as_mut().unwrap().outbox.clear();
        row
    };
    let held = Row { lease: Some(lease()), ..at_rest.clone() };
    let with_news = Row { inbox: vec![violation()], ..at_rest.clone() };
    let with_effects = Row { incident: Some(incident()), ..at_rest };
    for row in [held, with_news, with_effects] {
        let wire = Wire::answering([Answer::json(&json!({}))]);
        wire.world().write(&write_of(&row)).await.unwrap();
        let written = &wire.calls()[0].body["TransactItems"][0]["Put"]["Item"]["settled"];
        assert_eq!(written, &json!({"BOOL": false}), "{row:?}");
    }
}

#[tokio::test]
async fn a_closed_incident_is_kept_for_90_days() {
    let mut row = row();
    row.incident.as_mut().unwrap().state =
        State::Resolved { at: seconds_ago(1), proved_at: seconds_ago(2), how: Resolution::Remediated };
    // It still has something to tell, so it is still looked at.
    let mut stored = stored_row_but(&json!({"version": 8, "expires_at": 1_772_600_766 + 90 * 86_400}));
    stored["incident"]["state"] = json!({
        "name": "resolved",
        "at": 1_772_600_766_890_i64,
        "proved_at": 1_772_600_765_890_i64,
        "how": "remediated",
    });
    let wire = Wire::answering([Answer::json(&json!({}))]);
    wire.world().write(&write_of(&row)).await.unwrap();
    assert_eq!(wire.calls(), [transaction(&[put_row(&stored, 7)])]);
}

#[tokio::test]
async fn only_what_may_need_something_is_in_the_index() {
    let at_rest = {
        let mut row = Row { lease: None, inbox: Vec::new(), ..row() };
        row.incident.as_mut().unwrap().outbox.clear();
        row
    };
    let resolved = {
        let mut row = at_rest.clone();
        row.incident.as_mut().unwrap().state =
            State::Resolved { at: now(), proved_at: now(), how: Resolution::Remediated };
        row
    };
    let heard_only = Row { incident: None, ..at_rest.clone() };
    let with_news = Row { inbox: vec![violation()], ..resolved.clone() };
    for (row, is_open) in [(at_rest, true), (resolved, false), (heard_only, false), (with_news, true)] {
        let wire = Wire::answering([Answer::json(&json!({}))]);
        wire.world().write(&write_of(&row)).await.unwrap();
        let item = &wire.calls()[0].body["TransactItems"][0]["Put"]["Item"];
        let expected = if is_open { json!({"S": FINGERPRINT.as_str()}) } else { Value::Null };
        assert_eq!(item["open"], expected, "{row:?}");
    }
}

#[tokio::test]
async fn a_row_is_claimed_without_news_if_it_is_there_and_free() {
    let wire = Wire::answering([attributes(&stored_row()), condition_failed(None)]);
    let world = wire.world();
    assert_eq!(world.resume(&FINGERPRINT, &lease(), now()).await.unwrap(), Claim::Mine(row()));
    assert_eq!(world.resume(&FINGERPRINT, &lease(), now()).await.unwrap(), Claim::Nothing);
    let expected = call(
        "UpdateItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Key": key(),
            "UpdateExpression":
                "SET lease_holder = :holder, lease_until = :until, settled = :false ADD version :one",
            "ConditionExpression":
                "attribute_exists(pk) AND (attribute_not_exists(lease_until) OR lease_until <= :now)",
            "ExpressionAttributeValues": item(&json!({
                ":holder": "request-1/7",
                ":until": 1_772_600_802_890_i64,
                ":now": 1_772_600_767_890_i64,
                ":false": false,
                ":one": 1,
            })),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }),
    );
    assert_eq!(wire.calls(), [expected.clone(), expected]);
}

#[tokio::test]
async fn open_rows_come_in_pages_and_one_that_is_not_understood_does_not_hide_the_others() {
    let last = json!({"pk": format!("incident#{FINGERPRINT}"), "sk": "current", "open": FINGERPRINT.as_str()});
    let broken = stored_row_but(&json!({"version": "seven"}));
    let wire = Wire::answering([
        Answer::json(&json!({"Items": [item(&broken), item(&stored_row())], "LastEvaluatedKey": item(&last)})),
        Answer::json(&json!({"Items": []})),
    ]);
    let world = wire.world();
    let first = world.open_rows(None).await.unwrap();
    assert_eq!(first.rows, [(FINGERPRINT.clone(), row())]);
    assert!(first.not_understood[0].contains("a field is missing or has another type"), "{first:?}");
    assert_eq!(first.next, Some(OpenKey(FINGERPRINT.to_string())));
    let second = world.open_rows(first.next.as_ref()).await.unwrap();
    assert!(second.rows.is_empty() && second.next.is_none());
    let scan = json!({"TableName": "mend-dev-ledger", "IndexName": "open"});
    let mut next = scan.clone();
    next["ExclusiveStartKey"] = item(&last);
    assert_eq!(wire.calls(), [call("Scan", scan), call("Scan", next)]);
}

fn run_key() -> Value {
    item(&json!({"pk": "reconcile", "sk": "run"}))
}

#[tokio::test]
async fn a_run_begins_where_the_last_one_stopped_unless_another_is_under_way() {
    let left = json!({
        "pk": "reconcile",
        "sk": "run",
        "lease_holder": "request-1/7",
        "lease_until": 1_772_600_802_890_i64,
        "people_heard_at": 1_772_600_707_890_i64,
        "incident": FINGERPRINT.as_str(),
        "rule": "restricted-ssh",
        "kill": "released",
    });
    let first = json!({"pk": "reconcile", "sk": "run"});
    let wire = Wire::answering([attributes(&left), attributes(&first), condition_failed(None)]);
    let world = wire.world();
    let expected = LastRun {
        incident: Some(FINGERPRINT.clone()),
        people_heard_at: Some(seconds_ago(60)),
        rule: Some(ConfigRuleName::from_static("restricted-ssh")),
        kill: Some("released".to_owned()),
    };
    assert_eq!(world.begin_run(&lease(), now()).await.unwrap(), Some(expected));
    assert_eq!(world.begin_run(&lease(), now()).await.unwrap(), Some(LastRun::default()));
    assert_eq!(world.begin_run(&lease(), now()).await.unwrap(), None);
    let begin = call(
        "UpdateItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Key": run_key(),
            "UpdateExpression": "SET lease_holder = :holder, lease_until = :until",
            "ConditionExpression":
                "(attribute_not_exists(lease_until) OR lease_until <= :now) OR lease_holder = :holder",
            "ExpressionAttributeValues": item(&json!({
                ":holder": "request-1/7",
                ":until": 1_772_600_802_890_i64,
                ":now": 1_772_600_767_890_i64,
            })),
            "ReturnValues": "ALL_NEW",
        }),
    );
    assert_eq!(wire.calls(), [begin.clone(), begin.clone(), begin]);
}

#[tokio::test]
async fn a_run_ends_with_what_it_leaves_unless_another_has_begun() {
    let wire = Wire::answering([Answer::json(&json!({})), condition_failed(None)]);
    let world = wire.world();
    let left = LastRun { people_heard_at: Some(seconds_ago(60)), ..LastRun::default() };
    world.end_run("request-1/7", &left).await.unwrap();
    world.end_run("request-1/7", &left).await.unwrap();
    let end = call(
        "UpdateItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Key": run_key(),
            "UpdateExpression":
                "SET #incident = :incident, #kill = :kill, #people_heard_at = :people_heard_at, #rule = :rule \
                 REMOVE lease_holder, lease_until",
            "ConditionExpression": "lease_holder = :holder",
            "ExpressionAttributeNames":
                {"#incident": "incident", "#kill": "kill", "#people_heard_at": "people_heard_at", "#rule": "rule"},
            "ExpressionAttributeValues": item(&json!({
                ":holder": "request-1/7",
                ":incident": null,
                ":kill": null,
                ":people_heard_at": 1_772_600_707_890_i64,
                ":rule": null,
            })),
        }),
    );
    assert_eq!(wire.calls(), [end.clone(), end]);
}

#[tokio::test]
async fn a_resource_is_held_and_given_back_together_with_the_row() {
    let row = row();
    let ours = json!({":fingerprint": {"S": row.incident.as_ref().unwrap().id.fingerprint.as_str()}});
    let take = json!({"Put": {
        "TableName": "mend-dev-ledger",
        "Item": item(&json!({"pk": RESOURCE, "sk": "hold", "incident": INCIDENT})),
        "ConditionExpression": "attribute_not_exists(pk) OR begins_with(incident, :fingerprint)",
        "ExpressionAttributeValues": ours,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }});
    let release = json!({"Delete": {
        "TableName": "mend-dev-ledger",
        "Key": item(&json!({"pk": RESOURCE, "sk": "hold"})),
        "ConditionExpression": "attribute_not_exists(pk) OR begins_with(incident, :fingerprint)",
        "ExpressionAttributeValues": ours,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }});
    for (hold, expected) in [(Hold::Take, take), (Hold::Release, release)] {
        let wire = Wire::answering([Answer::json(&json!({}))]);
        let written = wire.world().write(&Write { hold, ..write_of(&row) }).await.unwrap();
        assert_eq!(written, DONE);
        let put = put_row(&stored_row_but(&json!({"version": 8})), 7);
        assert_eq!(wire.calls(), [transaction(&[put, expected])]);
    }
}

#[tokio::test]
async fn before_state_and_history_are_kept_together_with_the_row() {
    let (row, report, ended) = (row(), outcome(), incident());
    let before_state = json!({"Put": {
        "TableName": "mend-dev-ledger",
        "Item": item(&json!({
            "pk": format!("execution#{EXECUTION}"),
            "sk": "before-state",
            "incident": INCIDENT,
            "attempt": 2,
            "runbook": "Mend-CloseAdminPorts",
            "before_state": r#"{"rules":[]}"#,
            "exemption": "/mend/dev/exemptions/close-admin-ports/sg-0badcafe0badcafe1",
            "expires_at": 1_772_600_767 + 365 * 86_400,
        })),
    }});
    let history = json!({"Put": {
        "TableName": "mend-dev-ledger",
        "Item": item(&json!({
            "pk": format!("incident#{FINGERPRINT}"),
            "sk": "generation#0000000001",
            "incident": stored_incident(),
            "expires_at": 1_772_600_767 + 90 * 86_400,
        })),
    }});
    let wire = Wire::answering([Answer::json(&json!({}))]);
    let write = Write { before_states: std::slice::from_ref(&report), history: Some(&ended), ..write_of(&row) };
    wire.world().write(&write).await.unwrap();
    let put = put_row(&stored_row_but(&json!({"version": 8})), 7);
    assert_eq!(wire.calls(), [transaction(&[put, before_state, history])]);
}

/// Each reason is a code, and the item that was in the way.
pub(crate) fn cancelled(reasons: &[(&str, Option<Value>)]) -> Answer {
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(code, old)| match old {
            Some(old) => json!({"Code": code, "Item": item(old)}),
            None => json!({"Code": code}),
        })
        .collect();
    Answer::error_with(400, "TransactionCanceledException", json!({"CancellationReasons": reasons}))
}

#[tokio::test]
async fn a_write_that_comes_too_late_is_overtaken() {
    let row = row();
    for reasons in [
        [("ConditionalCheckFailed", None), ("None", None)],
        [("TransactionConflict", None), ("None", None)],
        [("ConditionalCheckFailed", None), ("ConditionalCheckFailed", Some(hold_of("f-2")))],
    ] {
        let wire = Wire::answering([cancelled(&reasons)]);
        let write = Write { hold: Hold::Take, ..write_of(&row) };
        assert_eq!(wire.world().write(&write).await.unwrap(), Written::Overtaken, "{reasons:?}");
        assert_eq!(wire.operations(), ["TransactWriteItems"]);
    }
}

fn hold_of(incident: &str) -> Value {
    json!({"pk": RESOURCE, "sk": "hold", "incident": incident})
}

#[tokio::test]
async fn a_resource_that_another_incident_holds_is_told_with_its_holder() {
    let row = row();
    let other: IncidentId = "ffffffffffffffffffffffffffffffff-3".parse().unwrap();
    let wire = Wire::answering([cancelled(&[
        ("None", None),
        ("ConditionalCheckFailed", Some(hold_of(&other.to_string()))),
    ])]);
    let write = Write { hold: Hold::Take, ..write_of(&row) };
    assert_eq!(wire.world().write(&write).await.unwrap(), Written::ResourceHeld(other));
}

pub(crate) fn writing() -> Operation<'static> {
    Operation {
        attempted: "write incident 0123456789abcdef0123456789abcdef to the ledger",
        remedy: REMEDY,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_met_another_or_was_throttled_is_tried_again() {
    let row = row();
    let write = Write { hold: Hold::Take, ..write_of(&row) };
    for reasons in [
        [("None", None), ("TransactionConflict", None)],
        [("None", None), ("ThrottlingError", None)],
        [("ThrottlingError", None), ("None", None)],
        [("ProvisionedThroughputExceeded", None), ("None", None)],
    ] {
        let wire = Wire::answering([cancelled(&reasons), Answer::json(&json!({}))]);
        assert_eq!(wire.world().write(&write).await.unwrap(), DONE, "{reasons:?}");
        let calls = wire.calls();
        assert_eq!(calls[0], calls[1], "the same transaction under the same token");

        let wire = Wire::answering(vec![cancelled(&reasons); TRIES as usize]);
        let error = wire.world().write(&write).await.unwrap_err();
        writing().is_worth_another_try(&error, "TransactionCanceledException");
        assert_eq!(wire.calls().len(), TRIES as usize, "{reasons:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_can_never_succeed_is_final() {
    let row = row();
    for reasons in [
        [("ValidationError", None), ("None", None)],
        [("None", None), ("ItemCollectionSizeLimitExceeded", None)],
        // The holder is not understood.
        [("None", None), ("ConditionalCheckFailed", Some(hold_of("somebody")))],
    ] {
        let wire = Wire::answering([cancelled(&reasons)]);
        let error = wire.world().write(&Write { hold: Hold::Take, ..write_of(&row) }).await.unwrap_err();
        writing().stays(&error, "TransactionCanceledException");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_met_a_transaction_is_tried_again() {
    let claiming = Operation {
        attempted: "claim incident 0123456789abcdef0123456789abcdef in the ledger",
        remedy: REMEDY,
        success: attributes(&stored_row()),
        failure: Answer::error,
    };
    let conflict = || Answer::error(400, "TransactionConflictException");
    let wire = Wire::answering([conflict(), attributes(&stored_row())]);
    let claimed = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap();
    assert_eq!(claimed, Claim::Mine(row()));

    let wire = Wire::answering(vec![conflict(); TRIES as usize]);
    let error = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap_err();
    claiming.is_worth_another_try(&error, "TransactionConflictException");
    assert_eq!(wire.calls().len(), TRIES as usize);
}

/// Each as it was written before: of the fields that are new since, it has none.
#[tokio::test]
async fn rows_of_older_versions_are_read_as_they_were_meant() {
    let mut stored = stored_row();
    let incident = stored["incident"].as_object_mut().unwrap();
    incident.retain(|name, _| !NEW.contains(&name.as_str()));
    let wire = Wire::answering([Answer::json(&json!({"Item": item(&stored)}))]);
    assert_eq!(wire.world().read(&FINGERPRINT).await.unwrap(), Some(row()));

    stored["incident"]["state"] = json!({"name": "deferred"});
    let wire = Wire::answering([Answer::json(&json!({"Item": item(&stored)}))]);
    let read = wire.world().read(&FINGERPRINT).await.unwrap().unwrap();
    // It is due.
    let until = mend_core::time::Timestamp::from_milliseconds(0);
    assert_eq!(read.incident.unwrap().state, State::Deferred { until, by_budget: false });
}

#[tokio::test]
async fn a_row_that_is_not_understood_stops_its_incident() {
    let broken = |path: &[&str], value: Value| {
        let mut stored = stored_row();
        *path.iter().fold(&mut stored, |place, name| &mut place[*name]) = value;
        stored
    };
    let read = Operation {
        attempted: "read incident 0123456789abcdef0123456789abcdef from the ledger",
        remedy: REPAIR,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    };
    for (stored, cause) in [
        (broken(&["version"], json!("seven")), "a field is missing or has another type"),
        (broken(&["incident"], json!({})), "a field is missing or has another type"),
        (broken(&["incident", "state", "name"], json!("asleep")), "a field is missing or has another type"),
        (broken(&["incident", "generation"], json!(0)), "a field is missing or has another type"),
        (broken(&["incident", "resource", "id"], json!("{{ x }}")), "a resource id must be"),
        (broken(&["incident", "fingerprint"], json!("fp")), "a fingerprint must be 32 hexadecimal digits"),
        (broken(&["incident", "severity"], json!("awful")), "must be one of low, medium, high, critical"),
        (broken(&["incident", "causes"], json!({"rumour/x": {"violated": true, "at": 1}})), "a cause must be"),
        (broken(&["incident", "outbox"], json!(["fax"])), "an effect is not one of the known ones: fax"),
        (broken(&["incident", "outbox"], json!(["event/Exploded/1"])), "event/Exploded/1"),
        (broken(&["inbox"], json!([{"kind": "rumour"}])), "a field is missing or has another type"),
    ] {
        let wire = Wire::answering([Answer::json(&json!({"Item": item(&stored)}))]);
        let error = wire.world().read(&FINGERPRINT).await.unwrap_err();
        read.stays(&error, cause);
    }
    let claiming =
        Operation { attempted: "claim incident 0123456789abcdef0123456789abcdef in the ledger", ..read };
    let stored = broken(&["inbox"], json!([{"kind": "rumour"}]));
    for answer in [attributes(&stored), condition_failed(Some(&stored))] {
        let wire = Wire::answering([answer]);
        let error = wire.world().claim(&FINGERPRINT, &violation(), &lease(), now()).await.unwrap_err();
        claiming.stays(&error, "a field is missing or has another type");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let operation = |attempted, success| Operation { attempted, remedy: REMEDY, success, failure: Answer::error };
    operation("claim incident 0123456789abcdef0123456789abcdef in the ledger", attributes(&stored_row()))
        .fails_well(async |world| world.claim(&FINGERPRINT, &violation(), &lease(), now()).await)
        .await;
    operation("leave news in the inbox of incident 0123456789abcdef0123456789abcdef", Answer::json(&json!({})))
        .fails_well(async |world| world.append(&FINGERPRINT, &violation(), "request-2/9", now()).await)
        .await;
    operation("read incident 0123456789abcdef0123456789abcdef from the ledger", Answer::json(&json!({})))
        .fails_well(async |world| world.read(&FINGERPRINT).await)
        .await;
    writing().fails_well(async |world| world.write(&write_of(&row())).await).await;
    operation("claim incident 0123456789abcdef0123456789abcdef in the ledger", attributes(&stored_row()))
        .fails_well(async |world| world.resume(&FINGERPRINT, &lease(), now()).await)
        .await;
    operation("list the open incidents in the ledger", Answer::json(&json!({})))
        .fails_well(async |world| world.open_rows(None).await)
        .await;
    operation("begin a run of reconcile in the ledger", Answer::json(&json!({})))
        .fails_well(async |world| world.begin_run(&lease(), now()).await)
        .await;
    operation("end the run of reconcile in the ledger", Answer::json(&json!({})))
        .fails_well(async |world| world.end_run("request-1/7", &LastRun::default()).await)
        .await;
}

#[tokio::test]
async fn expiry_counts_from_the_write() {
    let (row, report) = (row(), outcome());
    let wire = Wire::answering([Answer::json(&json!({}))]);
    let now = now().plus(Duration::from_secs(100));
    let write = Write { now, before_states: std::slice::from_ref(&report), ..write_of(&row) };
    wire.world().write(&write).await.unwrap();
    let kept = &wire.calls()[0].body["TransactItems"][1]["Put"]["Item"]["expires_at"];
    assert_eq!(kept, &attribute(&json!(1_772_600_867 + 365 * 86_400)));
}
