//! From an execution to the report of an attempt. Pure.

use std::collections::{BTreeMap, HashMap};

use mend_core::automation::{APPROVE_AND_RUN, ExecutionId, ParameterName, RunbookName};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::incident::{AttemptReport, Outcome, Undoing};
use mend_core::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What an execution says of itself, as far as an attempt's outcome needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The document's name.
    pub document: String,
    /// The status, in the API's spelling: `Success`, `Failed`, `TimedOut`, `Cancelled` …
    pub status: String,
    /// The parameters, each a list.
    pub parameters: HashMap<String, Vec<String>>,
    /// The outputs, by `step.Output`, each a list.
    pub outputs: HashMap<String, Vec<String>>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The execution whose child it is.
    pub parent: Option<ExecutionId>,
    /// How its steps stand, in the API's spelling, by their names.
    pub steps: BTreeMap<String, String>,
}

/// What an execution was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// An attempt at a repair.
    Attempt(AttemptReport),
    /// The undoing of one.
    Undoing(Undoing),
}

/// Every Mend runbook ends in a step of this name.
const OUTCOME: &str = "Conclude.Outcome";
const CHANGES: &str = "Conclude.Changes";
/// Restore runbooks say which incident's repair they have undone, and which parameter exempts the resource since.
const INCIDENT: &str = "Conclude.Incident";
const EXEMPTION: &str = "Conclude.Exemption";
/// The steps of `Mend-ApproveAndRun` that ask people, and the switches after that; and the id of the child.
const REQUEST: &str = "RequestApproval";
const ASK_AGAIN: &str = "AskAgain";
const RUN: &str = "Run";
const CHILD: &str = "Run.ExecutionId";
/// A step that records what it found, before anything is changed, has an output of this name.
const BEFORE_STATE: &str = ".BeforeState";

/// Why an execution is no report of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum NoReport {
    /// It was none.
    NotOurs(Decision),
    /// The event said that it has ended, and the execution does not say so yet.
    NotYet,
}

/// What the execution says of the attempt that it was, or of the repair that it has undone.
pub fn report(id: &ExecutionId, execution: &Execution, now: Timestamp) -> Result<Ended, NoReport> {
    let ignore = |reason| Err(NoReport::NotOurs(Decision::new(Verdict::Ignore, reason)));
    let Ok(runbook) = RunbookName::new(execution.document.as_str()) else {
        return ignore(Reason::NotAnAttempt);
    };
    let ended_at = execution.ended_at.unwrap_or(now);
    if let Some("Restored" | "AlreadyRestored") = execution.output(OUTCOME) {
        let Some(incident) = execution.output(INCIDENT).and_then(|text| text.parse().ok()) else {
            return ignore(Reason::Restored);
        };
        return Ok(Ended::Undoing(Undoing {
            incident,
            execution: id.clone(),
            changes: execution.output(CHANGES).map(str::to_owned),
            exemption: execution.output(EXEMPTION).map(str::to_owned),
            at: ended_at,
        }));
    }
    let incident = execution.parameter("Incident").and_then(|text| text.parse::<IncidentId>().ok());
    let attempt = execution.parameter("Attempt").and_then(|text| text.parse::<AttemptNumber>().ok());
    let (Some(incident), Some(attempt)) = (incident, attempt) else {
        return ignore(Reason::NotAnAttempt);
    };
    let asks = runbook == APPROVE_AND_RUN;
    let outcome = if asks { execution.answer() } else { execution.outcome() };
    let Some(outcome) = outcome else { return Err(NoReport::NotYet) };
    let child = execution.outputs.get(CHILD).and_then(|values| values.first());
    let child = child.and_then(|id| ExecutionId::new(id.as_str()).ok()).filter(|_| asks);
    Ok(Ended::Attempt(AttemptReport {
        incident,
        attempt,
        runbook,
        execution: child.unwrap_or_else(|| id.clone()),
        request: if asks { Some(id.clone()) } else { execution.parent.clone() },
        parameters: if asks { approved_parameters(execution) } else { parameters(execution) },
        outcome,
        ended_at,
        changes: execution.output(CHANGES).map(str::to_owned),
        before_state: before_state(execution),
    }))
}

impl Execution {
    /// Whether it is a request for approval whose child is under way.
    pub(crate) fn runs_child(&self) -> bool {
        self.outcome().is_none() && self.steps.get(RUN).is_some_and(|status| status == "InProgress")
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)?.first().map(String::as_str)
    }

    /// Outputs of an execution that did not succeed are placeholders.
    fn output(&self, name: &str) -> Option<&str> {
        let text = self.outputs.get(name)?.first()?;
        (self.status == "Success" && !text.is_empty()).then_some(text)
    }

    /// How it ended; nothing if it has not.
    fn outcome(&self) -> Option<Outcome> {
        Some(match (self.status.as_str(), self.output(OUTCOME)) {
            ("Success", Some("Remediated")) => Outcome::Remediated,
            ("Success", Some("AlreadyCompliant")) => Outcome::AlreadyCompliant,
            ("Success", _) => Outcome::failed("it ended without saying what it achieved"),
            ("Failed", _) => {
                Outcome::failed(self.failure.as_deref().unwrap_or("the execution failed without a message"))
            }
            ("TimedOut", _) => Outcome::TimedOut,
            ("Cancelled" | "Canceled", _) => Outcome::Cancelled,
            ("Rejected", _) => Outcome::failed("it was rejected"),
            _ => return None,
        })
    }

    /// How the question for approval ended, or the child that was approved.
    fn answer(&self) -> Option<Outcome> {
        let ended = self.outcome()?;
        let step = |name: &str| self.steps.get(name).map(String::as_str);
        let why = || self.failure.clone().unwrap_or_else(|| "the request failed without a message".to_owned());
        Some(match (self.status.as_str(), step(REQUEST), step(ASK_AGAIN)) {
            ("Success", _, _) => ended,
            (_, Some("Success" | "Approved"), Some("Failed" | "TimedOut")) => Outcome::held_back(&why()),
            (_, Some("Success" | "Approved"), _) => ended,
            (_, Some("TimedOut"), _) | ("TimedOut", _, _) => Outcome::not_approved("nobody answered in time"),
            (_, Some("Cancelled"), _) | ("Cancelled" | "Canceled", _, _) => {
                Outcome::not_approved("the request was cancelled")
            }
            (_, Some("Rejected"), _) | ("Rejected", _, _) => Outcome::not_approved("it was rejected"),
            // How AWS shows a no is not documented; and whom nobody could ask, a person has to look at, too.
            _ if why().to_lowercase().contains("rejected") => Outcome::not_approved("it was rejected"),
            _ => Outcome::not_approved(&why()),
        })
    }
}

/// The child's own parameters, as they were approved: a map, whose values may be lists.
fn approved_parameters(execution: &Execution) -> BTreeMap<ParameterName, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        One(String),
        List(Vec<String>),
    }
    let text = execution.parameter("RunbookParameters").unwrap_or_default();
    let approved: BTreeMap<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let named = approved.into_iter().filter_map(|(name, value)| {
        let value = match value {
            Value::One(value) => value,
            Value::List(values) => values.into_iter().next()?,
        };
        Some((ParameterName::new(name).ok()?, value))
    });
    named.collect()
}

fn parameters(execution: &Execution) -> BTreeMap<ParameterName, String> {
    let named = execution.parameters.iter().filter_map(|(name, values)| {
        let name = ParameterName::new(name.as_str()).ok()?;
        Some((name, values.first()?.clone()))
    });
    named.collect()
}

/// Also of an execution that failed: it may have failed after its change.
fn before_state(execution: &Execution) -> Option<String> {
    let mut recorded = execution.outputs.iter().filter(|(name, _)| name.ends_with(BEFORE_STATE));
    let is_json = |text: &&String| serde_json::from_str::<IgnoredAny>(text).is_ok();
    recorded.find_map(|(_, values)| values.first().filter(is_json).cloned())
}

#[cfg(test)]
mod tests;
