//! From the event to what a person did with an OpsItem. Pure.

use mend_core::account::PrincipalArn;
use mend_core::automation::OpsItemId;
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::identity::IncidentId;
use mend_core::incident::PersonsWord;
use mend_core::report::Place;
use mend_core::signal::{CauseState, Freshness};
use mend_core::time::Timestamp;
use mend_runtime::event::{MalformedEvent, not_in_the_future, open};
use serde::Deserialize;
use serde_json::Value;

/// The fields that Mend acts on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    ops_item_id: String,
    source: String,
    status: String,
    modified_by: String,
    modified_time: String,
}

const MODIFIED_TIME: &str = "detail.modified-time";

/// A person has changed an OpsItem of Mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpsItemChange {
    /// Which.
    pub(crate) ops_item: OpsItemId,
    state: CauseState,
    by: PrincipalArn,
    at: Timestamp,
}

impl OpsItemChange {
    /// What the person says about the OpsItem's incident.
    pub(crate) fn word_about(self, incident: IncidentId) -> PersonsWord {
        PersonsWord { incident, ops_item: self.ops_item, state: self.state, by: Some(self.by), at: self.at }
    }
}

/// Reads the event: what a person did, or the decision that there is nothing to answer.
pub(crate) fn parse(
    payload: Value,
    place: &Place,
    now: Timestamp,
) -> Result<Result<OpsItemChange, Decision>, MalformedEvent> {
    let ignore = |reason| Ok(Err(Decision::new(Verdict::Ignore, reason)));
    let opened = match open::<Detail>(payload, "aws.ssm", "OpsItem Update", place, now)? {
        Ok(opened) => opened,
        Err(decision) => return Ok(Err(decision)),
    };
    let detail = opened.detail;
    if detail.source != "Mend" {
        return ignore(Reason::NotAnIncident);
    }
    let by = PrincipalArn::new(detail.modified_by)
        .map_err(|error| MalformedEvent::new("detail.modified-by", error.to_string()))?;
    if place.is_own_function(&by) {
        return ignore(Reason::OwnChange);
    }
    match opened.freshness {
        Freshness::Live => {}
        // reconcile asks the OpsItem itself.
        Freshness::Replayed | Freshness::Stale => return ignore(Reason::NotLive),
    }
    let ops_item = OpsItemId::new(detail.ops_item_id)
        .map_err(|error| MalformedEvent::new("detail.ops-item-id", error.to_string()))?;
    let at = Timestamp::parse(&detail.modified_time)
        .map_err(|error| MalformedEvent::new(MODIFIED_TIME, error.to_string()))?;
    not_in_the_future(MODIFIED_TIME, at, now)?;
    let state = match detail.status.as_str() {
        "Resolved" => CauseState::Clear,
        "Open" | "InProgress" => CauseState::Violated,
        // The others belong to change requests and approvals.
        _ => return ignore(Reason::OtherStatus),
    };
    Ok(Ok(OpsItemChange { ops_item, state, by, at }))
}

#[cfg(test)]
mod tests;
