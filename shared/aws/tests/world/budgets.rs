//! Budgets, in the transaction that writes the row.

use std::time::Duration;

use mend_core::breaker::Tallies;
use mend_core::budget::{BudgetLimits, Spent, Tally};
use mend_core::policy::RouteName;
use mend_core::time::Timestamp;
use mend_responder::world::{Booking, Hold, Ledger, Start, Write, Written};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::ledger::{REMEDY, REPAIR, cancelled, item, put_row, stored_row_but, transaction, write_of, writing};
use crate::samples::{FINGERPRINT, now, row};
use crate::wire::{Answer, Call, TRIES, Wire, call};

const ROUTE: RouteName = RouteName::from_static("close-admin-ports");
const LIMITS: BudgetLimits = BudgetLimits { starts_per_hour: 20, running: 5, running_in_all: 25 };
/// [`now`], and when the next start has its turn if one is made now.
const NOW: i64 = 1_772_600_767_890;
const NEXT: i64 = NOW + 1_250;
/// Two days later.
const EXPIRES: i64 = 1_772_600_767 + 2 * 86_400;
const OTHER: &str = "ffffffffffffffffffffffffffffffff";

fn start() -> Start {
    Start { limits: LIMITS, runs: true, latest: now().plus(Duration::from_secs(8)) }
}

fn booking() -> Booking {
    Booking { route: Some(ROUTE), ..Booking::default() }
}

fn starting() -> Booking {
    Booking { start: Some(start()), ..booking() }
}

async fn write(wire: &Wire, booking: &Booking) -> Written {
    wire.world().write(&Write { booking, ..write_of(&row()) }).await.unwrap()
}

fn done(start_at: Option<Timestamp>) -> Written {
    Written::Done { version: 8, start_at }
}

fn taken() -> Answer {
    Answer::json(&json!({}))
}

/// An item with sets in it.
fn item_with_set(fields: &Value, set: &str, members: &[&str]) -> Value {
    let mut item = item(fields);
    item[set] = json!({"SS": members});
    item
}

/// An update in the transaction.
fn update(pk: &str, sk: &str, changes: &str, condition: Option<&str>, values: Value) -> Value {
    let mut update = json!({
        "TableName": "mend-dev-ledger",
        "Key": item(&json!({"pk": pk, "sk": sk})),
        "UpdateExpression": changes,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    update["ExpressionAttributeValues"] = values;
    if let Some(condition) = condition {
        update["ConditionExpression"] = json!(condition);
    }
    json!({"Update": update})
}

fn whole(updates: &[Value]) -> Call {
    let row = put_row(&stored_row_but(&json!({"version": 8})), 7);
    transaction(&[&[row], updates].concat())
}

const A_PLACE: &str =
    "(attribute_not_exists(attempts) OR size(attempts) < :running OR contains(attempts, :fingerprint))";
const FIRST_TURN: &str = "(attribute_not_exists(next_start_at) OR next_start_at <= :turn)";

fn place_of_route() -> Value {
    let values = json!({":fingerprint": FINGERPRINT.as_str(), ":running": 5});
    update(
        "budget#close-admin-ports",
        "running",
        "ADD attempts :attempts",
        Some(A_PLACE),
        item_with_set(&values, ":attempts", &[FINGERPRINT.as_str()]),
    )
}

fn place_and_turn(turn_is_free: &str, turn: i64, next: i64) -> Value {
    let values = json!({":fingerprint": FINGERPRINT.as_str(), ":running": 25, ":turn": turn, ":next": next});
    update(
        "budget#all",
        "running",
        "SET next_start_at = :next ADD attempts :attempts",
        Some(&format!("{A_PLACE} AND {turn_is_free}")),
        item_with_set(&values, ":attempts", &[FINGERPRINT.as_str()]),
    )
}

fn start_counted() -> Value {
    update(
        "tally#close-admin-ports",
        "2026-03-04T05",
        "SET expires_at = :expires_at ADD starts :one",
        Some("(attribute_not_exists(starts) OR starts < :starts)"),
        item(&json!({":one": 1, ":starts": 20, ":expires_at": EXPIRES})),
    )
}

#[tokio::test]
async fn a_start_takes_its_place_its_turn_and_its_number_together_with_the_row() {
    let wire = Wire::answering([taken()]);
    assert_eq!(write(&wire, &starting()).await, done(Some(now())));
    let expected = whole(&[place_of_route(), place_and_turn(FIRST_TURN, NOW, NEXT), start_counted()]);
    assert_eq!(wire.calls(), [expected]);
}

#[tokio::test]
async fn a_request_for_approval_takes_its_turn_and_no_place() {
    let wire = Wire::answering([taken()]);
    let asking = Booking { start: Some(Start { runs: false, ..start() }), ends: true, ..booking() };
    assert_eq!(write(&wire, &asking).await, done(Some(now())));
    let leave = update(
        "budget#close-admin-ports",
        "running",
        "DELETE attempts :attempts",
        None,
        item_with_set(&json!({}), ":attempts", &[FINGERPRINT.as_str()]),
    );
    let turn = update(
        "budget#all",
        "running",
        "SET next_start_at = :next DELETE attempts :attempts",
        Some(FIRST_TURN),
        item_with_set(&json!({":turn": NOW, ":next": NEXT}), ":attempts", &[FINGERPRINT.as_str()]),
    );
    assert_eq!(wire.calls(), [whole(&[leave, turn, start_counted()])]);
}

#[tokio::test]
async fn an_end_gives_its_places_back_and_is_counted() {
    for (failed, adds) in [(true, "ended :one, failed :one"), (false, "ended :one")] {
        let wire = Wire::answering([taken()]);
        let ends = Booking { ends: true, ended: Some(failed), ..booking() };
        assert_eq!(write(&wire, &ends).await, done(None));
        let leave = |of: &str| {
            let values = item_with_set(&json!({}), ":attempts", &[FINGERPRINT.as_str()]);
            update(&format!("budget#{of}"), "running", "DELETE attempts :attempts", None, values)
        };
        let count = |of: &str| {
            let changes = format!("SET expires_at = :expires_at ADD {adds}");
            let values = item(&json!({":one": 1, ":expires_at": EXPIRES}));
            update(&format!("tally#{of}"), "2026-03-04T05", &changes, None, values)
        };
        let expected = [leave("close-admin-ports"), leave("all"), count("close-admin-ports"), count("all")];
        assert_eq!(wire.calls(), [whole(&expected)]);
    }
}

#[tokio::test]
async fn an_end_and_the_next_start_in_one_write_keep_the_place() {
    let wire = Wire::answering([taken()]);
    let again = Booking { ends: true, ended: Some(true), ..starting() };
    assert_eq!(write(&wire, &again).await, done(Some(now())));
    let items = wire.calls()[0].body["TransactItems"].as_array().unwrap().clone();
    assert_eq!(items[1..3], [place_of_route(), place_and_turn(FIRST_TURN, NOW, NEXT)]);
    let tally = &items[3]["Update"]["UpdateExpression"];
    assert_eq!(tally, "SET expires_at = :expires_at ADD starts :one, ended :one, failed :one");
}

#[tokio::test]
async fn an_ops_item_of_its_own_is_counted_by_the_hour_and_by_the_day() {
    let wire = Wire::answering([taken()]);
    let own = Booking { own_ops_item: Some(20), ..booking() };
    assert_eq!(write(&wire, &own).await, done(None));
    let count = |pk: &str, sk: &str, limit: u32| {
        update(
            pk,
            sk,
            "SET expires_at = :expires_at ADD opened :one",
            Some("(attribute_not_exists(opened) OR opened < :opened)"),
            item(&json!({":one": 1, ":opened": limit, ":expires_at": EXPIRES})),
        )
    };
    let expected = [count("tally#close-admin-ports", "2026-03-04T05", 20), count("tally#all", "2026-03-04", 300)];
    assert_eq!(wire.calls(), [whole(&expected)]);
}

/// The row's reason, that of the hold, and those of the budget's items.
fn refused(index: usize, old: &Value) -> Answer {
    let mut reasons = vec![("None", None); 5];
    reasons[index] = ("ConditionalCheckFailed", Some(old.clone()));
    cancelled(&reasons)
}

/// As [`refused`], with a set of so many attempts.
fn full(index: usize, attempts: &[&str], next: i64) -> Answer {
    let reasons: Vec<_> = (0..5)
        .map(|place| {
            if place == index {
                let old = item_with_set(&json!({"pk": "budget", "next_start_at": next}), "attempts", attempts);
                json!({"Code": "ConditionalCheckFailed", "Item": old})
            } else {
                json!({"Code": "None"})
            }
        })
        .collect();
    Answer::error_with(400, "TransactionCanceledException", json!({"CancellationReasons": reasons}))
}

async fn refusal(answer: Answer, booking: &Booking) -> Written {
    let wire = Wire::answering([answer]);
    let row = row();
    let write = Write { hold: Hold::Take, booking, ..write_of(&row) };
    let written = wire.world().write(&write).await.unwrap();
    assert_eq!(wire.calls().len(), 1, "{written:?}");
    written
}

#[tokio::test]
async fn what_is_spent_is_told_from_what_refused() {
    let two = Booking {
        start: Some(Start { limits: BudgetLimits { running: 2, running_in_all: 3, ..LIMITS }, ..start() }),
        own_ops_item: Some(20),
        ..booking()
    };
    let others = ["a", "b", "c"].map(|letter| letter.repeat(32));
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    let far = now().plus(Duration::from_mins(1));
    for (answer, expected) in [
        (full(2, &others[..2], NOW), Spent::Running(2)),
        (full(3, &others, NOW), Spent::RunningInAll(3)),
        // Full and out of turn: the place is what has to be waited for.
        (full(3, &others, far.milliseconds()), Spent::RunningInAll(3)),
        // There is a place, or it is there already.
        (full(3, &others[..2], far.milliseconds()), Spent::Pace(far)),
        (full(3, &[others[0], others[1], FINGERPRINT.as_str()], far.milliseconds()), Spent::Pace(far)),
        (refused(4, &json!({"starts": 20, "opened": 3})), Spent::StartsThisHour(20)),
        (refused(4, &json!({"starts": 21, "opened": 20})), Spent::StartsThisHour(20)),
    ] {
        assert_eq!(refusal(answer, &two).await, Written::Spent(expected));
    }
    let many = refused(4, &json!({"starts": 19, "opened": 20}));
    assert_eq!(refusal(many, &two).await, Written::TooManyOpsItems);
}

#[tokio::test]
async fn who_is_overtaken_or_finds_the_resource_held_hears_that_first() {
    let hold = json!({"pk": "resource", "sk": "hold", "incident": format!("{OTHER}-1")});
    let tally = json!({"starts": 20});
    let failed = |old: &Value| ("ConditionalCheckFailed", Some(old.clone()));
    let none = || ("None", None);
    let overtaken = cancelled(&[failed(&hold), failed(&hold), none(), none(), failed(&tally)]);
    assert_eq!(refusal(overtaken, &starting()).await, Written::Overtaken);
    let taken = cancelled(&[none(), failed(&hold), ("TransactionConflict", None), none(), failed(&tally)]);
    let expected = Written::ResourceHeld(format!("{OTHER}-1").parse().unwrap());
    assert_eq!(refusal(taken, &starting()).await, expected);
}

#[tokio::test]
async fn a_limit_of_nothing_refuses_without_a_call() {
    let with =
        |limits: BudgetLimits, runs| Booking { start: Some(Start { limits, runs, ..start() }), ..booking() };
    for (booking, expected) in [
        (with(BudgetLimits { starts_per_hour: 0, ..LIMITS }, true), Written::Spent(Spent::StartsThisHour(0))),
        (with(BudgetLimits { running: 0, ..LIMITS }, true), Written::Spent(Spent::Running(0))),
        (with(BudgetLimits { running_in_all: 0, ..LIMITS }, true), Written::Spent(Spent::RunningInAll(0))),
        (Booking { own_ops_item: Some(0), ..booking() }, Written::TooManyOpsItems),
    ] {
        let wire = Wire::answering([]);
        assert_eq!(write(&wire, &booking).await, expected);
        assert!(wire.calls().is_empty());
    }
    // Whoever only asks runs nothing.
    let wire = Wire::answering([taken()]);
    let asks = with(BudgetLimits { running: 0, ..LIMITS }, false);
    assert_eq!(write(&wire, &asks).await, done(Some(now())));
}

fn out_of_turn(next: i64) -> Answer {
    let reasons = json!([
        {"Code": "None"},
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Item": item(&json!({"next_start_at": next}))},
        {"Code": "None"},
    ]);
    Answer::error_with(400, "TransactionCanceledException", json!({"CancellationReasons": reasons}))
}

#[tokio::test]
async fn a_start_that_has_to_wait_takes_the_next_turn_and_nobody_elses() {
    let wire = Wire::answering([out_of_turn(NEXT), out_of_turn(NEXT + 1_250), taken()]);
    let turn = Timestamp::from_milliseconds(NEXT + 1_250);
    assert_eq!(write(&wire, &starting()).await, done(Some(turn)));
    let tried = |free: &str, turn: i64| {
        whole(&[place_of_route(), place_and_turn(free, turn, turn + 1_250), start_counted()])
    };
    let exactly = "next_start_at = :turn";
    assert_eq!(wire.calls(), [tried(FIRST_TURN, NOW), tried(exactly, NEXT), tried(exactly, NEXT + 1_250)]);
}

#[tokio::test]
async fn a_start_waits_no_longer_than_is_worth_it() {
    let latest = now().plus(Duration::from_secs(8));
    let wire = Wire::answering([out_of_turn(latest.milliseconds()), taken()]);
    assert_eq!(write(&wire, &starting()).await, done(Some(latest)));

    let too_late = latest.plus(Duration::from_millis(1));
    let wire = Wire::answering([out_of_turn(too_late.milliseconds())]);
    assert_eq!(write(&wire, &starting()).await, Written::Spent(Spent::Pace(too_late)));
    assert_eq!(wire.calls().len(), 1);

    // Others are quicker each time.
    let wire = Wire::answering((1..7).map(|others| out_of_turn(NOW + others * 1_250)));
    let next = Timestamp::from_milliseconds(NOW + 6 * 1_250);
    assert_eq!(write(&wire, &starting()).await, Written::Spent(Spent::Pace(next)));
    assert_eq!(wire.calls().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn writers_that_meet_at_a_budget_try_again() {
    let met = || cancelled(&[("None", None), ("None", None), ("TransactionConflict", None), ("None", None)]);
    let wire = Wire::answering([met(), met(), taken()]);
    assert_eq!(write(&wire, &starting()).await, done(Some(now())));
    let calls = wire.calls();
    assert!(calls[0] == calls[1] && calls[1] == calls[2], "the same transaction under the same token");

    let wire = Wire::answering(vec![met(); TRIES as usize]);
    let booking = starting();
    let error = wire.world().write(&Write { booking: &booking, ..write_of(&row()) }).await.unwrap_err();
    writing().is_worth_another_try(&error, "TransactionCanceledException");
    assert_eq!(wire.calls().len(), TRIES as usize);
}

/// The service did it and the answer was lost: under the same token it answers again, and nothing is booked twice.
#[tokio::test(start_paused = true)]
async fn a_booking_whose_answer_is_lost_is_repeated_under_the_same_token() {
    let wire = Wire::answering([Answer::error(500, "InternalServerError"), taken()]);
    assert_eq!(write(&wire, &starting()).await, done(Some(now())));
    let calls = wire.calls();
    assert_eq!(calls[0], calls[1]);
    assert!(calls[0].body["ClientRequestToken"].is_string());
}

#[tokio::test]
async fn a_budget_that_is_not_understood_is_an_error() {
    for old in [json!({"starts": "many"}), json!({})] {
        let wire = Wire::answering([refused(3, &old)]);
        let booking = starting();
        let error = wire.world().write(&Write { booking: &booking, ..write_of(&row()) }).await.unwrap_err();
        writing().stays(&error, "TransactionCanceledException");
    }
}

fn reading() -> Operation<'static> {
    Operation {
        attempted: "read how the attempts of close-admin-ports have ended from the ledger",
        remedy: REMEDY,
        success: Answer::json(&json!({"Responses": {}, "UnprocessedKeys": {}})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn ends_are_counted_over_this_hour_and_the_one_before() {
    let tally = |of: &str, hour: &str, ended: u32, failed: u32| {
        let pk = format!("tally#{of}");
        item(&json!({"pk": pk, "sk": hour, "starts": 9, "opened": 9, "ended": ended, "failed": failed}))
    };
    let started_only = item(&json!({"pk": "tally#close-admin-ports", "sk": "2026-03-04T05", "starts": 1}));
    let read = [
        tally("all", "2026-03-04T05", 7, 2),
        started_only,
        tally("close-admin-ports", "2026-03-04T04", 3, 1),
        tally("all", "2026-03-04T04", 5, 1),
    ];
    let wire = Wire::answering([Answer::json(&json!({"Responses": {"mend-dev-ledger": read}}))]);
    let expected = Tallies { route: Tally { ended: 3, failed: 1 }, all: Tally { ended: 12, failed: 3 } };
    assert_eq!(wire.world().tallies(&ROUTE, now()).await.unwrap(), expected);
    let keys: Vec<_> = ["close-admin-ports", "all"]
        .into_iter()
        .flat_map(|of| ["2026-03-04T05", "2026-03-04T04"].map(|hour| (format!("tally#{of}"), hour)))
        .map(|(pk, sk)| item(&json!({"pk": pk, "sk": sk})))
        .collect();
    let request = json!({"RequestItems": {"mend-dev-ledger": {"Keys": keys, "ConsistentRead": true}}});
    assert_eq!(wire.calls(), [call("BatchGetItem", request)]);
}

#[tokio::test]
async fn counters_that_are_left_unread_or_not_understood_are_no_zeros() {
    let keys = json!({"mend-dev-ledger": {"Keys": [item(&json!({"pk": "tally#all", "sk": "2026-03-04T05"}))]}});
    let wire = Wire::answering([Answer::json(&json!({"Responses": {}, "UnprocessedKeys": keys}))]);
    let error = wire.world().tallies(&ROUTE, now()).await.unwrap_err();
    reading().is_worth_another_try(&error, "DynamoDB left a part of the counters unread");

    let broken = item(&json!({"pk": "tally#all", "ended": "many"}));
    let wire = Wire::answering([Answer::json(&json!({"Responses": {"mend-dev-ledger": [broken]}}))]);
    let error = wire.world().tallies(&ROUTE, now()).await.unwrap_err();
    Operation { remedy: REPAIR, ..reading() }.stays(&error, "a field is missing or has another type");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    reading().fails_well(async |world| world.tallies(&ROUTE, now()).await).await;
}
