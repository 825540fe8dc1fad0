use std::time::Duration;

use mend_core::mode::Mode;
use mend_core::policy::RouteName;
use mend_core::switches::{KillSwitch, ModeSwitch, Switches};
use mend_responder::world::SwitchBoard;
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::wire::{Answer, Wire, call};

const KILL: &str = "/mend/dev/kill-switch";
const MODE: &str = "/mend/dev/mode/close-admin-ports";
const ROUTE: RouteName = RouteName::from_static("close-admin-ports");

/// Parameters that are not there are only named in the answer.
fn answer(kill: Option<&str>, mode: Option<&str>) -> Answer {
    let both = [(KILL, kill), (MODE, mode)];
    let there: Vec<Value> = both
        .iter()
        .filter_map(|(name, value)| Some(json!({"Name": name, "Type": "String", "Value": (*value)?})))
        // In no order of its own.
        .rev()
        .collect();
    let missing: Vec<_> = both.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    Answer::json(&json!({"Parameters": there, "InvalidParameters": missing}))
}

fn reading() -> Operation<'static> {
    Operation {
        attempted: "read the switches /mend/dev/kill-switch and /mend/dev/mode/close-admin-ports",
        remedy: "check that the function's role may call ssm:GetParameters on them",
        success: answer(Some("released"), None),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn reads_both_switches_in_one_call() {
    let engaged = |why: Option<&str>| KillSwitch::Engaged(why.map(str::to_owned));
    for (kill, mode, expected_kill, expected_mode) in [
        (Some("released"), Some("enforce"), KillSwitch::Released, ModeSwitch::Set(Mode::Enforce)),
        (Some("released"), Some("off"), KillSwitch::Released, ModeSwitch::Set(Mode::Off)),
        (Some("released"), None, KillSwitch::Released, ModeSwitch::Unset),
        (Some("released"), Some("full steam"), KillSwitch::Released, ModeSwitch::NotUnderstood),
        (Some("engaged"), Some("approve"), engaged(None), ModeSwitch::Set(Mode::Approve)),
        (Some("engaged: lee, a test"), None, engaged(Some("lee, a test")), ModeSwitch::Unset),
        (Some("maybe"), Some("observe"), KillSwitch::NotUnderstood, ModeSwitch::Set(Mode::Observe)),
        (None, Some("enforce"), KillSwitch::Missing, ModeSwitch::Set(Mode::Enforce)),
        (None, None, KillSwitch::Missing, ModeSwitch::Unset),
    ] {
        let wire = Wire::answering([answer(kill, mode)]);
        let expected = Switches::Read { kill: expected_kill, mode: expected_mode };
        assert_eq!(wire.world().switches(&ROUTE).await.unwrap(), expected, "{kill:?}, {mode:?}");
        assert_eq!(wire.calls(), [call("GetParameters", json!({"Names": [KILL, MODE]}))]);
    }
}

#[tokio::test]
async fn holds_for_25_seconds_and_is_read_again() {
    let wire = Wire::answering([
        answer(Some("released"), None),
        answer(Some("released"), None),
        answer(Some("engaged"), None),
    ]);
    let world = wire.world();
    let kill = async |route: &RouteName| match world.switches(route).await.unwrap() {
        Switches::Read { kill, .. } => kill,
        Switches::Unreadable => panic!("unreadable"),
    };
    assert_eq!(kill(&ROUTE).await, KillSwitch::Released);
    wire.clock.advance(Duration::from_millis(24_999));
    assert_eq!(kill(&ROUTE).await, KillSwitch::Released);
    assert_eq!(wire.calls().len(), 1, "remembered");
    kill(&RouteName::from_static("other")).await;
    assert_eq!(wire.calls().len(), 2, "each route has a switch of its own");
    wire.clock.advance(Duration::from_millis(1));
    assert_eq!(kill(&ROUTE).await, KillSwitch::Engaged(None));
    assert_eq!(wire.calls().len(), 3, "read again");
}

#[tokio::test]
async fn a_failure_is_not_remembered_and_nothing_older_is_used_instead() {
    let denied = || Answer::error(400, "AccessDeniedException");
    let wire = Wire::answering([denied(), answer(Some("released"), None), denied()]);
    let world = wire.world();
    reading().stays(&world.switches(&ROUTE).await.unwrap_err(), "AccessDeniedException");
    world.switches(&ROUTE).await.unwrap();
    wire.clock.advance(Duration::from_secs(25));
    reading().stays(&world.switches(&ROUTE).await.unwrap_err(), "AccessDeniedException");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    reading().fails_well(async |world| world.switches(&ROUTE).await).await;
}
