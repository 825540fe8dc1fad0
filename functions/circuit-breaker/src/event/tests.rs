use mend_runtime::samples::{self, place};
use serde_json::json;

use super::*;

fn sample(name: &str) -> Value {
    samples::sample("circuit-breaker", name)
}

fn parsed(payload: Value) -> Result<Result<Alarm, Decision>, MalformedEvent> {
    parse(payload, &place(), Timestamp::parse("2026-11-24T17:21:00Z").unwrap())
}

fn ignored(payload: Value) -> Decision {
    parsed(payload).unwrap().unwrap_err()
}

#[test]
fn an_alarm_that_rings_is_heard_as_event_and_as_action() {
    for name in ["alarm", "alarm-action"] {
        let alarm = parsed(sample(name)).unwrap().unwrap();
        assert_eq!(alarm.name, AlarmName::from_static("checkout errors"), "{name}");
        assert!(alarm.why().starts_with("the alarm checkout errors rings: Threshold Crossed"), "{}", alarm.why());
    }
}

#[test]
fn what_does_not_ring_here_and_now_opens_nothing() {
    let name = AlarmName::from_static("checkout errors");
    assert_eq!(ignored(sample("ok")).reasons, [Reason::NotRinging(name)]);
    let mut replayed = sample("alarm");
    replayed["replay-name"] = json!("again");
    assert_eq!(ignored(replayed).reasons, [Reason::NotLive]);
    for (name, field) in [("alarm", "account"), ("alarm-action", "accountId")] {
        let mut foreign = sample(name);
        foreign[field] = json!("999999999999");
        assert_eq!(ignored(foreign).verdict, Verdict::Reject, "{name}");
    }
}

#[test]
fn says_which_field_is_wrong() {
    let mut hostile = sample("alarm");
    hostile["detail"]["alarmName"] = json!("a\nb");
    assert!(parsed(hostile).unwrap_err().to_string().contains("detail.alarmName"));
    let mut other = sample("alarm-action");
    other["source"] = json!("mine");
    assert!(parsed(other).unwrap_err().to_string().contains("source"));
    let mut lacking = sample("alarm-action");
    lacking["alarmData"]["state"] = json!({});
    assert!(parsed(lacking).unwrap_err().to_string().contains("alarmData.state"));
}
