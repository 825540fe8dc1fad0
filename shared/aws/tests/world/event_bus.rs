use mend_core::incident::Change;
use mend_core::report::MendEvent;
use mend_responder::world::EventBus;
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::failures::Operation;
use crate::wire::{Answer, Wire, call};

fn event() -> MendEvent {
    MendEvent {
        change: Change::Resolved,
        detail_type: "Mend Incident Resolved".to_owned(),
        resources: vec!["arn:aws:ec2:eu-central-1:123456789012:security-group/sg-1".to_owned()],
        detail: json!({"incident": "i-1", "attempt": 2}),
    }
}

fn putting() -> Operation<'static> {
    Operation {
        attempted: "put \"Mend Incident Resolved\" on the bus mend-dev",
        remedy: "check that the bus exists and that its policy lets the function's role put events",
        success: taken(),
        failure: Answer::error,
    }
}

fn taken() -> Answer {
    Answer::json(&json!({"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}))
}

fn refused(code: &str) -> Answer {
    Answer::json(&json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "no"}]}))
}

#[tokio::test]
async fn puts_the_event_on_mends_own_bus() {
    let wire = Wire::answering([taken()]);
    wire.world().put(&event()).await.unwrap();
    let calls = wire.calls();
    let detail: Value = serde_json::from_str(calls[0].body["Entries"][0]["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail, event().detail);
    let expected = call(
        "PutEvents",
        json!({"Entries": [{
            "EventBusName": "mend-dev",
            "Source": "mend",
            "DetailType": "Mend Incident Resolved",
            "Resources": ["arn:aws:ec2:eu-central-1:123456789012:security-group/sg-1"],
            "Detail": calls[0].body["Entries"][0]["Detail"],
        }]}),
    );
    assert_eq!(calls, [expected]);
}

#[tokio::test]
async fn an_event_that_is_refused_in_an_answered_call_is_no_success() {
    for code in ["ThrottlingException", "InternalFailure", "InternalException"] {
        let error = Wire::answering([refused(code)]).world().put(&event()).await.unwrap_err();
        putting().is_worth_another_try(&error, &format!("EventBridge refused the event: {code}"));
    }
    for code in ["NotAuthorizedForSourceException", "MalformedDetail"] {
        let error = Wire::answering([refused(code)]).world().put(&event()).await.unwrap_err();
        putting().stays(&error, &format!("EventBridge refused the event: {code}"));
    }
}

#[tokio::test]
async fn an_escalation_is_counted_when_it_is_told() {
    let recorder = Counters::default();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let wire = Wire::answering([taken(), refused("MalformedDetail"), taken()]);
    let world = wire.world();
    let escalated = MendEvent { change: Change::Escalated, ..event() };
    world.put(&escalated).await.unwrap();
    world.put(&escalated).await.unwrap_err();
    world.put(&event()).await.unwrap();
    assert_eq!(recorder.counted("Escalations"), 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    putting().fails_well(async |world| world.put(&event()).await).await;
}
