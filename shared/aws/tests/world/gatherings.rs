use mend_core::automation::OpsItemId;
use mend_core::gathering::{Day, GatheringId, GatheringKind, Member};
use mend_core::identity::Fingerprint;
use mend_core::policy::RouteName;
use mend_core::report::Gathering;
use mend_responder::world::{Ledger, OpenKey};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::ledger::{REMEDY, REPAIR, attributes, condition_failed, item, stored_resource};
use crate::samples::{FINGERPRINT, INCIDENT, incident_id, now, resource, seconds_ago};
use crate::wire::{Answer, Call, Wire, call};

const PK: &str = "gathering#close-admin-ports#storm#2026-03-04";

fn id() -> GatheringId {
    GatheringId {
        route: RouteName::from_static("close-admin-ports"),
        kind: GatheringKind::Storm,
        day: Day::of(now()),
    }
}

fn member(state: &str) -> Member {
    Member { incident: incident_id(), resource: resource(), state: state.to_owned(), at: seconds_ago(1) }
}

fn stored_member(state: &str) -> Value {
    json!({
        "pk": PK,
        "sk": format!("incident#{FINGERPRINT}"),
        "incident": INCIDENT,
        "resource": stored_resource(),
        "state": state,
        "at": 1_772_600_766_890_i64,
        "expires_at": 1_772_600_767 + 365 * 86_400,
    })
}

/// It has just begun.
fn begun() -> Gathering {
    Gathering { id: id(), opened_at: now(), ops_item: None, told_at: None, stands: String::new(), is_over: false }
}

fn stored_begun() -> Value {
    json!({"pk": PK, "sk": "head", "opened_at": 1_772_600_767_890_i64, "is_over": false, "open": PK})
}

/// People have been told, and it is over.
fn over() -> Gathering {
    Gathering {
        ops_item: Some(OpsItemId::from_static("oi-0123456789ab")),
        told_at: Some(seconds_ago(5)),
        stands: "0 open, 3 resolved".to_owned(),
        is_over: true,
        ..begun()
    }
}

fn stored_over() -> Value {
    json!({
        "pk": PK,
        "sk": "head",
        "opened_at": 1_772_600_767_890_i64,
        "ops_item": "oi-0123456789ab",
        "told_at": 1_772_600_762_890_i64,
        "stands": "0 open, 3 resolved",
        "is_over": true,
        "expires_at": 1_772_600_767 + 90 * 86_400,
    })
}

fn put_member(state: &str) -> Call {
    call(
        "PutItem",
        json!({
            "TableName": "mend-dev-ledger",
            "Item": item(&stored_member(state)),
            "ConditionExpression": "attribute_not_exists(pk) OR #at <= :at",
            "ExpressionAttributeNames": {"#at": "at"},
            "ExpressionAttributeValues": item(&json!({":at": 1_772_600_766_890_i64})),
        }),
    )
}

fn open_head() -> Value {
    json!({
        "TableName": "mend-dev-ledger",
        "Key": item(&json!({"pk": PK, "sk": "head"})),
        "UpdateExpression": "SET opened_at = :now, is_over = :false, #open = :pk",
        "ConditionExpression": "attribute_not_exists(pk)",
        "ExpressionAttributeNames": {"#open": "open"},
        "ExpressionAttributeValues":
            item(&json!({":now": 1_772_600_767_890_i64, ":false": false, ":pk": PK})),
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

#[tokio::test]
async fn an_incident_joins_and_the_gathering_begins_if_it_had_not() {
    let wire = Wire::answering([Answer::json(&json!({})), attributes(&stored_begun())]);
    assert_eq!(wire.world().gather(&id(), &member("escalated"), now()).await.unwrap(), begun());
    assert_eq!(wire.calls(), [put_member("escalated"), call("UpdateItem", open_head())]);
}

#[tokio::test]
async fn what_a_later_invocation_has_told_stays() {
    let wire = Wire::answering([condition_failed(None), attributes(&stored_begun())]);
    assert_eq!(wire.world().gather(&id(), &member("escalated"), now()).await.unwrap(), begun());
}

#[tokio::test]
async fn a_gathering_that_is_there_stays_as_it_is() {
    let wire = Wire::answering([Answer::json(&json!({})), condition_failed(Some(&stored_over()))]);
    assert_eq!(wire.world().gather(&id(), &member("resolved"), now()).await.unwrap(), over());
    assert_eq!(wire.calls(), [put_member("resolved"), call("UpdateItem", open_head())]);
}

#[tokio::test]
async fn members_come_in_pages_by_fingerprint() {
    let last = json!({"pk": PK, "sk": format!("incident#{FINGERPRINT}")});
    let wire = Wire::answering([
        Answer::json(&json!({"Items": [item(&stored_member("observed"))], "LastEvaluatedKey": item(&last)})),
        Answer::json(&json!({"Items": []})),
    ]);
    let world = wire.world();
    let first = world.members(&id(), None).await.unwrap();
    assert_eq!(first.members, [member("observed")]);
    assert_eq!(first.next, Some(FINGERPRINT.clone()));
    let second = world.members(&id(), first.next.as_ref()).await.unwrap();
    assert!(second.members.is_empty() && second.next.is_none());
    let query = json!({
        "TableName": "mend-dev-ledger",
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :incident)",
        "ExpressionAttributeValues": item(&json!({":pk": PK, ":incident": "incident#"})),
        "ConsistentRead": true,
    });
    let mut next = query.clone();
    next["ExclusiveStartKey"] = item(&last);
    assert_eq!(wire.calls(), [call("Query", query), call("Query", next)]);
}

#[tokio::test]
async fn what_has_become_of_a_gathering_is_kept_and_only_an_open_one_is_among_the_open_rows() {
    let mut stored = stored_over();
    for (gathering, is_over) in [(over(), true), (Gathering { is_over: false, ..over() }, false)] {
        if !is_over {
            stored["is_over"] = json!(false);
            stored["open"] = json!(PK);
            stored.as_object_mut().unwrap().remove("expires_at");
        }
        let wire = Wire::answering([Answer::json(&json!({}))]);
        wire.world().keep_gathering(&gathering).await.unwrap();
        assert_eq!(
            wire.calls(),
            [call("PutItem", json!({"TableName": "mend-dev-ledger", "Item": item(&stored)}))]
        );
    }
}

#[tokio::test]
async fn gatherings_are_found_among_the_open_rows() {
    let last = json!({"pk": PK, "sk": "head", "open": PK});
    let mut broken = stored_begun();
    broken["opened_at"] = json!("yesterday");
    let wire = Wire::answering([
        Answer::json(&json!({"Items": [item(&broken), item(&stored_begun())], "LastEvaluatedKey": item(&last)})),
        Answer::json(&json!({"Items": []})),
    ]);
    let world = wire.world();
    let first = world.open_rows(None).await.unwrap();
    assert_eq!((first.rows.len(), &first.gatherings[..]), (0, &[begun()][..]));
    assert!(first.not_understood[0].contains("a field is missing or has another type"), "{first:?}");
    assert_eq!(first.next, Some(OpenKey(PK.to_owned())));
    world.open_rows(first.next.as_ref()).await.unwrap();
    assert_eq!(wire.calls()[1].body["ExclusiveStartKey"], item(&last));
}

#[tokio::test]
async fn a_gathering_that_is_not_understood_is_told() {
    let opening = Operation {
        attempted: "open the gathering close-admin-ports#storm#2026-03-04 in the ledger",
        remedy: REPAIR,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    };
    let mut head = stored_begun();
    head["pk"] = json!("gathering#rain");
    let wire = Wire::answering([Answer::json(&json!({})), attributes(&head)]);
    let error = wire.world().gather(&id(), &member("observed"), now()).await.unwrap_err();
    opening.stays(&error, "a gathering is none");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let operation = |attempted| Operation {
        attempted,
        remedy: REMEDY,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    };
    operation("list the incidents of the gathering close-admin-ports#storm#2026-03-04 in the ledger")
        .fails_well(async |world| world.members(&id(), None::<&Fingerprint>).await)
        .await;
    operation("write the gathering close-admin-ports#storm#2026-03-04 to the ledger")
        .fails_well(async |world| world.keep_gathering(&begun()).await)
        .await;
    let joining = operation(
        "put incident 0123456789abcdef0123456789abcdef-1 into the gathering close-admin-ports#storm#2026-03-04 in the ledger",
    );
    let wire = Wire::answering([Answer::error(400, "AccessDeniedException")]);
    let error = wire.world().gather(&id(), &member("observed"), now()).await.unwrap_err();
    joining.stays(&error, "AccessDeniedException");
    let wire = Wire::answering([Answer::json(&json!({})), Answer::error(400, "AccessDeniedException")]);
    let error = wire.world().gather(&id(), &member("observed"), now()).await.unwrap_err();
    operation("open the gathering close-admin-ports#storm#2026-03-04 in the ledger")
        .stays(&error, "AccessDeniedException");
}
