//! The envelope of an EventBridge event, opened with care: event text is data.

use std::time::Duration;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::report::Place;
use mend_core::signal::Freshness;
use mend_core::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// An event that does not have the form that AWS documents.
///
/// The message names the field. It never repeats the field's text.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the event is malformed: {field}: {problem}")]
pub struct MalformedEvent {
    field: String,
    problem: String,
}

impl MalformedEvent {
    /// Names a field, by its path from the top, and what is wrong with it.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

/// What the envelope says, where the detail may be looked at.
#[derive(Debug)]
pub struct Opened<T> {
    /// The detail.
    pub detail: T,
    /// Whether it may be acted on.
    pub freshness: Freshness,
}

/// An event whose envelope is in order, or the decision that it is not Mend's.
pub type Envelope<T> = Result<Opened<T>, Decision>;

/// Opens an event of one kind. `source` and `detail_type` are checked here as well as in the rule.
pub fn open<T: DeserializeOwned>(
    payload: Value,
    source: &str,
    detail_type: &str,
    place: &Place,
    now: Timestamp,
) -> Result<Envelope<T>, MalformedEvent> {
    let event: EventBridgeEvent<Value> = fields("", payload)?;
    if event.source != source {
        return Err(MalformedEvent::new("source", format!("must be {source}")));
    }
    if event.detail_type != detail_type {
        return Err(MalformedEvent::new("detail-type", format!("must be {detail_type}")));
    }
    let account = event.account.ok_or_else(|| MalformedEvent::new("account", "is missing"))?;
    if account != place.account.as_str() {
        return Ok(Err(Decision::new(Verdict::Reject, Reason::ForeignAccount)));
    }
    let time = event.time.ok_or_else(|| MalformedEvent::new("time", "is missing"))?;
    let age = now.since(Timestamp::from_milliseconds(time.timestamp_millis()));
    let freshness = if event.other.contains_key("replay-name") {
        Freshness::Replayed
    } else if age > Freshness::LIMIT {
        Freshness::Stale
    } else {
        Freshness::Live
    };
    // serde would take a list for a struct, field by field.
    if !event.detail.is_object() {
        return Err(MalformedEvent::new("detail", "must be an object"));
    }
    Ok(Ok(Opened { detail: fields("detail", event.detail)?, freshness }))
}

/// So far may AWS's clock be ahead of the function's.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);

/// Refuses a time that lies in the future: it would silence all that follows it.
pub fn not_in_the_future(field: &str, time: Timestamp, now: Timestamp) -> Result<(), MalformedEvent> {
    if time > now.plus(CLOCK_DIFFERENCE) {
        return Err(MalformedEvent::new(field, "lies in the future"));
    }
    Ok(())
}

/// Reads a value field by field, and names the one that is wrong. `above` is where the value stands in the event.
pub fn fields<T: DeserializeOwned>(above: &str, value: Value) -> Result<T, MalformedEvent> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = match (above, path.as_str()) {
            ("", ".") => "event".to_owned(),
            ("", path) => path.to_owned(),
            (above, ".") => above.to_owned(),
            (above, path) => format!("{above}.{path}"),
        };
        MalformedEvent::new(field, without_values(&error.into_inner().to_string()))
    })
}

/// serde's messages quote what they found; event text is none of the log's business.
fn without_values(message: &str) -> String {
    match (message.find(['"', '`']), message.rfind(", expected ")) {
        (Some(quote), Some(expected)) if quote < expected => {
            let found = message.get(..quote).unwrap_or_default().trim_end();
            format!("{found}{}", message.get(expected..).unwrap_or_default())
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mend_core::account::{AccountId, Partition, Region};
    use mend_core::mode::Environment;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Eq)]
    struct Detail {
        number: u8,
    }

    const NOW: &str = "2026-03-05T05:06:00Z";

    fn opened(change: impl Fn(&mut Value)) -> Result<Envelope<Detail>, MalformedEvent> {
        let place = Place {
            partition: Partition::from_static("aws"),
            account: AccountId::from_static("111122223333"),
            region: Region::from_static("eu-central-1"),
            environment: Environment::Dev,
        };
        let mut event = json!({
            "version": "0",
            "id": "5b0f2c64-91de-4a37-8c55-2d7e90a1b3f4",
            "source": "aws.config",
            "detail-type": "Config Rules Compliance Change",
            "account": "111122223333",
            "time": "2026-03-05T05:05:00Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": {"number": 7, "muteDetail": null},
        });
        change(&mut event);
        open(event, "aws.config", "Config Rules Compliance Change", &place, Timestamp::parse(NOW).unwrap())
    }

    #[test]
    fn opens_a_fresh_event() {
        let opened = opened(|_| {}).unwrap().unwrap();
        assert_eq!(opened.detail, Detail { number: 7 });
        assert_eq!(opened.freshness, Freshness::Live);
    }

    #[test]
    fn tells_replays_and_stale_events_apart() {
        let replayed = opened(|event| event["replay-name"] = json!("again")).unwrap().unwrap();
        assert_eq!(replayed.freshness, Freshness::Replayed);
        let stale = opened(|event| event["time"] = json!("2026-03-04T05:05:59Z")).unwrap().unwrap();
        assert_eq!(stale.freshness, Freshness::Stale);
        let just_in_time = opened(|event| event["time"] = json!("2026-03-04T05:06:00Z")).unwrap().unwrap();
        assert_eq!(just_in_time.freshness, Freshness::Live);
    }

    #[test]
    fn rejects_another_account() {
        let decision = opened(|event| event["account"] = json!("999999999999")).unwrap().unwrap_err();
        assert_eq!(decision, Decision::new(Verdict::Reject, Reason::ForeignAccount));
    }

    #[test]
    fn names_the_field_that_is_wrong_and_not_its_text() {
        let cases: [(&str, Value, &str); 9] = [
            ("source", json!("aws.s3"), "source: must be aws.config"),
            ("source", json!(5), "source: invalid type: integer, expected a string"),
            ("detail-type", json!("Other"), "detail-type: must be Config Rules Compliance Change"),
            ("account", Value::Null, "account: is missing"),
            ("time", Value::Null, "time: is missing"),
            ("detail", json!({}), "detail: missing field `number`"),
            ("detail", json!({"number": "secret"}), "detail.number: invalid type: string, expected u8"),
            (
                "detail",
                json!({"number": "a, expected secret"}),
                "detail.number: invalid type: string, expected u8",
            ),
            ("detail", json!([7]), "detail: must be an object"),
        ];
        for (field, value, expected) in cases {
            let error = opened(|event| event[field] = value.clone()).unwrap_err().to_string();
            assert_eq!(error, format!("the event is malformed: {expected}"));
        }
    }

    #[test]
    fn a_payload_that_is_no_event_is_malformed() {
        let error = opened(|event| *event = json!("hello")).unwrap_err().to_string();
        assert!(error.starts_with("the event is malformed: event: invalid type: string"), "{error}");
        let error = opened(|event| *event = json!({})).unwrap_err().to_string();
        assert!(error.starts_with("the event is malformed: event: missing field"), "{error}");
    }
}
