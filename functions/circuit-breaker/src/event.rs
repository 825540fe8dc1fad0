//! From the event to the alarm that rings. Pure.

use mend_core::automation::AlarmName;
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::report::Place;
use mend_core::signal::Freshness;
use mend_core::text::printable;
use mend_core::time::Timestamp;
use mend_runtime::event::{MalformedEvent, fields, open};
use serde::Deserialize;
use serde_json::Value;

/// The fields that Mend acts on, of an event as well as of an alarm's direct action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    alarm_name: String,
    state: State,
}

#[derive(Debug, Deserialize)]
struct State {
    value: String,
    reason: Option<String>,
}

/// What an alarm sends to a function that is its action: no envelope of EventBridge.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    source: String,
    account_id: String,
    alarm_data: Detail,
}

/// An alarm that rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) name: AlarmName,
    reason: String,
}

impl Alarm {
    /// Why a breaker opens for it.
    pub(crate) fn why(&self) -> String {
        format!("the alarm {} rings: {}", self.name, self.reason)
    }
}

/// Reads the event: the alarm that rings, or the decision that there is nothing to answer.
pub(crate) fn parse(
    payload: Value,
    place: &Place,
    now: Timestamp,
) -> Result<Result<Alarm, Decision>, MalformedEvent> {
    let (detail, field) = if payload.get("alarmData").is_some() {
        let action: Action = fields("", payload)?;
        if action.source != "aws.cloudwatch" {
            return Err(MalformedEvent::new("source", "must be aws.cloudwatch"));
        }
        if action.account_id != place.account.as_str() {
            return Ok(Err(Decision::new(Verdict::Reject, Reason::ForeignAccount)));
        }
        (action.alarm_data, "alarmData.alarmName")
    } else {
        let opened = match open::<Detail>(payload, "aws.cloudwatch", "CloudWatch Alarm State Change", place, now)?
        {
            Ok(opened) => opened,
            Err(decision) => return Ok(Err(decision)),
        };
        match opened.freshness {
            Freshness::Live => {}
            Freshness::Replayed | Freshness::Stale => {
                return Ok(Err(Decision::new(Verdict::Ignore, Reason::NotLive)));
            }
        }
        (opened.detail, "detail.alarmName")
    };
    let name = AlarmName::new(detail.alarm_name).map_err(|error| MalformedEvent::new(field, error.to_string()))?;
    if detail.state.value != "ALARM" {
        return Ok(Err(Decision::new(Verdict::Ignore, Reason::NotRinging(name))));
    }
    let reason = detail.state.reason.unwrap_or_else(|| "it does not say why".to_owned());
    Ok(Ok(Alarm { name, reason: printable(&reason) }))
}

#[cfg(test)]
mod tests;
