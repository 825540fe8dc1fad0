use std::collections::BTreeMap;
use std::time::Duration;

use mend_responder::world::SwitchBoard;
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::failures::Operation;
use crate::wire::{Answer, Wire, call};

const KILL: &str = "/mend/dev/kill-switch";
const MODE: &str = "/mend/dev/mode/close-admin-ports";
const BREAKER: &str = "/mend/dev/breaker/all";

fn listed(there: &[(&str, &str)]) -> Value {
    there.iter().map(|(name, value)| json!({"Name": name, "Type": "String", "Value": value})).collect()
}

/// Parameters that are not there are only named in the answer.
fn answer(there: &[(&str, &str)]) -> Answer {
    Answer::json(&json!({"Parameters": listed(there), "InvalidParameters": ["whatever"]}))
}

fn map(there: &[(&str, &str)]) -> BTreeMap<String, String> {
    there.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn reading() -> Operation<'static> {
    Operation {
        attempted: "read the parameters /mend/dev/kill-switch, /mend/dev/mode/close-admin-ports",
        remedy: "check that the function's role may call ssm:GetParameters on them",
        success: answer(&[(KILL, "released")]),
        failure: Answer::error,
    }
}

fn reading_below() -> Operation<'static> {
    Operation {
        attempted: "read the parameters below /mend/dev/",
        remedy: "check that the function's role may call ssm:GetParametersByPath on that path",
        success: answer(&[(KILL, "released")]),
        failure: Answer::error,
    }
}

fn creating() -> Operation<'static> {
    Operation {
        attempted: "create the parameter /mend/dev/breaker/all",
        remedy: "check that the function's role may call ssm:PutParameter on it, and create the parameter by hand meanwhile",
        success: Answer::json(&json!({"Version": 1})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn reads_those_that_exist_in_one_call() {
    let wire = Wire::answering([answer(&[(MODE, "enforce"), (KILL, "released")])]);
    let read = wire.world().parameters(&[KILL, MODE, BREAKER]).await.unwrap();
    assert_eq!(read, map(&[(KILL, "released"), (MODE, "enforce")]));
    assert_eq!(wire.calls(), [call("GetParameters", json!({"Names": [KILL, MODE, BREAKER]}))]);
}

/// Who undoes a repair exempts the resource a moment before its rule complains again.
#[tokio::test]
async fn an_exemption_is_read_anew_each_time() {
    const EXEMPTION: &str = "/mend/dev/exemptions/close-admin-ports/sg-1";
    let until = [(KILL, "released"), (EXEMPTION, "until 2026-12-24: undone")];
    let wire = Wire::answering([answer(&[(KILL, "released")]), answer(&until)]);
    let world = wire.world();
    assert_eq!(world.parameters(&[KILL, EXEMPTION]).await.unwrap(), map(&[(KILL, "released")]));
    assert_eq!(world.known_parameters(&[KILL, EXEMPTION]), None);
    assert_eq!(world.parameters(&[KILL, EXEMPTION]).await.unwrap(), map(&until));
}

#[tokio::test]
async fn more_than_ten_take_more_calls() {
    let names: Vec<_> = (0..11).map(|number| format!("/mend/dev/mode/{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let wire = Wire::answering([answer(&[(names[0], "off")]), answer(&[(names[10], "observe")])]);
    let read = wire.world().parameters(&names).await.unwrap();
    assert_eq!(read, map(&[(names[0], "off"), (names[10], "observe")]));
    let calls = wire.calls();
    assert_eq!(calls[0].body["Names"].as_array().unwrap().len(), 10);
    assert_eq!(calls[1].body, json!({"Names": [names[10]]}));
}

#[tokio::test]
async fn each_name_is_remembered_for_20_seconds_also_that_it_is_not_there() {
    let wire = Wire::answering([
        answer(&[(KILL, "released")]),
        answer(&[(KILL, "engaged"), (BREAKER, "open: x")]),
        answer(&[]),
    ]);
    let world = wire.world();
    assert_eq!(world.known_parameters(&[KILL]), None);
    world.parameters(&[KILL, MODE]).await.unwrap();
    wire.clock.advance(Duration::from_secs(10));
    assert_eq!(world.known_parameters(&[KILL]), Some(map(&[(KILL, "released")])));
    assert_eq!(world.known_parameters(&[KILL, MODE]), Some(map(&[(KILL, "released")])), "known not to be there");
    assert_eq!(world.known_parameters(&[KILL, BREAKER]), None, "one of them is not known");
    assert_eq!(world.parameters(&[MODE]).await.unwrap(), map(&[]));
    assert_eq!(wire.calls().len(), 1, "remembered");

    // Where one has to be asked for, all are: what is read together is of one time.
    let read = world.parameters(&[KILL, BREAKER]).await.unwrap();
    assert_eq!(read, map(&[(KILL, "engaged"), (BREAKER, "open: x")]));
    wire.clock.advance(Duration::from_secs(10));
    assert_eq!(world.known_parameters(&[MODE]), None, "too old");
    wire.clock.advance(Duration::from_millis(9_999));
    assert_eq!(world.known_parameters(&[KILL]), Some(map(&[(KILL, "engaged")])));
    wire.clock.advance(Duration::from_millis(1));
    assert_eq!(world.parameters(&[KILL]).await.unwrap(), map(&[]));
}

#[tokio::test]
async fn a_failure_is_not_remembered_and_nothing_older_is_used_instead() {
    let denied = || Answer::error(400, "AccessDeniedException");
    let wire = Wire::answering([denied(), answer(&[(KILL, "released")]), denied()]);
    let world = wire.world();
    reading().stays(&world.parameters(&[KILL, MODE]).await.unwrap_err(), "AccessDeniedException");
    world.parameters(&[KILL, MODE]).await.unwrap();
    wire.clock.advance(Duration::from_secs(20));
    reading().stays(&world.parameters(&[KILL, MODE]).await.unwrap_err(), "AccessDeniedException");
}

#[tokio::test]
async fn what_was_read_below_a_path_is_known_by_every_name_there() {
    let wire = Wire::answering([
        answer(&[(KILL, "engaged"), (MODE, "enforce")]),
        Answer::json(&json!({"Parameters": listed(&[(KILL, "released")]), "NextToken": "more"})),
        answer(&[(BREAKER, "open: x")]),
    ]);
    let world = wire.world();
    world.parameters(&[KILL, MODE]).await.unwrap();
    let read = world.parameters_below("/mend/dev/").await.unwrap();
    assert_eq!(read, map(&[(KILL, "released"), (BREAKER, "open: x")]));
    wire.clock.advance(Duration::from_millis(19_999));
    let known = world.known_parameters(&[KILL, MODE, BREAKER, "/mend/dev/exemptions/close-admin-ports/sg-1"]);
    assert_eq!(known, Some(map(&[(KILL, "released"), (BREAKER, "open: x")])), "what was deleted, too");
    assert_eq!(world.known_parameters(&["/mend/prod/kill-switch"]), None, "elsewhere");
    wire.clock.advance(Duration::from_millis(1));
    assert_eq!(world.known_parameters(&[KILL]), None);
    assert_eq!(world.known_parameters(&["/mend/dev/budget/close-admin-ports"]), None);
    let pages = [
        call("GetParametersByPath", json!({"Path": "/mend/dev/", "Recursive": true})),
        call("GetParametersByPath", json!({"Path": "/mend/dev/", "Recursive": true, "NextToken": "more"})),
    ];
    assert_eq!(wire.calls()[1..], pages);
}

#[tokio::test]
async fn what_could_only_be_read_in_part_is_not_known() {
    let wire = Wire::answering([
        Answer::json(&json!({"Parameters": listed(&[(KILL, "released")]), "NextToken": "more"})),
        Answer::error(400, "AccessDeniedException"),
    ]);
    let world = wire.world();
    reading_below().stays(&world.parameters_below("/mend/dev/").await.unwrap_err(), "AccessDeniedException");
    assert_eq!(world.known_parameters(&[KILL]), None);
}

#[tokio::test]
async fn a_parameter_is_created_and_never_overwritten() {
    let wire = Wire::answering([
        Answer::json(&json!({"Version": 1})),
        Answer::error(400, "ParameterAlreadyExists"),
        answer(&[(BREAKER, "open: a person's")]),
    ]);
    let world = wire.world();
    assert!(world.create_parameter(BREAKER, "open: 3 of 4 failed").await.unwrap());
    assert_eq!(
        world.known_parameters(&[BREAKER]),
        Some(map(&[(BREAKER, "open: 3 of 4 failed")])),
        "holds at once"
    );
    assert!(!world.create_parameter(BREAKER, "open: 4 of 5 failed").await.unwrap());
    assert_eq!(world.parameters(&[BREAKER]).await.unwrap(), map(&[(BREAKER, "open: a person's")]));
    let expected = call(
        "PutParameter",
        json!({
            "Name": BREAKER,
            "Value": "open: 3 of 4 failed",
            "Type": "String",
            "Overwrite": false,
            "Description": "Created by Mend. While it exists, nothing starts there; delete it to let Mend go on.",
        }),
    );
    assert_eq!(wire.calls()[0], expected);
}

#[tokio::test]
async fn a_breaker_that_opens_is_counted_once() {
    let recorder = Counters::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let created = || Answer::json(&json!({"Version": 1}));
    let wire = Wire::answering([created(), Answer::error(400, "ParameterAlreadyExists"), created()]);
    let world = wire.world();
    world.create_parameter(BREAKER, "open: x").await.unwrap();
    world.create_parameter(BREAKER, "open: x").await.unwrap();
    world.create_parameter("/mend/dev/other", "x").await.unwrap();
    assert_eq!(recorder.counted("BreakerOpened"), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    reading().fails_well(async |world| world.parameters(&[KILL, MODE]).await).await;
    reading_below().fails_well(async |world| world.parameters_below("/mend/dev/").await).await;
    creating().fails_well(async |world| world.create_parameter(BREAKER, "open: x").await).await;
}
