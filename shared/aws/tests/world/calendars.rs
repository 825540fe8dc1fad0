use std::time::Duration;

use mend_core::calendar::CalendarState;
use mend_core::time::Timestamp;
use mend_responder::world::Calendars;
use serde_json::json;

use crate::failures::Operation;
use crate::wire::{Answer, TRIES, Wire, call};

fn answer(state: &str, next: &str) -> Answer {
    Answer::json(&json!({"State": state, "AtTime": "2026-03-04T05:06:07Z", "NextTransitionTime": next}))
}

fn asking() -> Operation<'static> {
    Operation {
        attempted: "read the state of the change calendars Freeze, Holidays",
        remedy: "",
        success: answer("OPEN", "2026-03-05T00:00:00Z"),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn asks_all_calendars_in_one_call() {
    let until = Timestamp::parse("2026-03-05T00:00:00Z").ok();
    for (answer, expected) in [
        (answer("OPEN", "2026-03-05T00:00:00Z"), CalendarState::Open { until }),
        (answer("CLOSED", "2026-03-05T00:00:00Z"), CalendarState::Closed { until }),
        (answer("OPEN", ""), CalendarState::Open { until: None }),
        (Answer::json(&json!({"State": "CLOSED"})), CalendarState::Closed { until: None }),
        (Answer::json(&json!({"State": "AJAR"})), CalendarState::Unreadable),
        (Answer::json(&json!({})), CalendarState::Unreadable),
    ] {
        let wire = Wire::answering([answer]);
        assert_eq!(wire.world().calendar().await.unwrap(), Some(expected));
        assert_eq!(wire.calls(), [call("GetCalendarState", json!({"CalendarNames": ["Freeze", "Holidays"]}))]);
    }
}

#[tokio::test]
async fn without_calendars_nothing_is_asked() {
    let wire = Wire::answering([]);
    assert_eq!(wire.world_with(Vec::new()).calendar().await.unwrap(), None);
    assert!(wire.calls().is_empty());
}

#[tokio::test]
async fn holds_for_20_seconds() {
    let wire = Wire::answering([answer("OPEN", ""), answer("CLOSED", "")]);
    let world = wire.world();
    let (open, closed) = (CalendarState::Open { until: None }, CalendarState::Closed { until: None });
    assert_eq!(world.calendar().await.unwrap(), Some(open));
    wire.clock.advance(Duration::from_millis(19_999));
    assert_eq!(world.calendar().await.unwrap(), Some(open));
    wire.clock.advance(Duration::from_millis(1));
    assert_eq!(world.calendar().await.unwrap(), Some(closed));
}

#[tokio::test]
async fn what_cannot_be_read_until_somebody_changes_something_is_unreadable_and_asked_again() {
    for code in ["InvalidDocument", "InvalidDocumentType", "UnsupportedCalendarException", "AccessDeniedException"]
    {
        let wire = Wire::answering([Answer::error(400, code), answer("OPEN", "")]);
        let world = wire.world();
        assert_eq!(world.calendar().await.unwrap(), Some(CalendarState::Unreadable), "{code}");
        assert_eq!(world.calendar().await.unwrap(), Some(CalendarState::Open { until: None }), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_then_worth_another_try() {
    for (status, code) in [(400, "ThrottlingException"), (500, "InternalServerError")] {
        let wire = Wire::answering([Answer::error(status, code), answer("OPEN", "")]);
        assert_eq!(wire.world().calendar().await.unwrap(), Some(CalendarState::Open { until: None }));
        let wire = Wire::answering(vec![Answer::error(status, code); TRIES as usize]);
        asking().is_worth_another_try(&wire.world().calendar().await.unwrap_err(), code);
    }
    let error = Wire::answering([]).world().calendar().await.unwrap_err();
    asking().is_worth_another_try(&error, "dispatch failure");
}
