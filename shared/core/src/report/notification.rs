//! What people are told through SNS, and machines beside them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Place, plan, state_name, what_and_where, what_mend_did, what_you_need_to_do};
use crate::identity::effect_key;
use crate::incident::{Change, Incident, Occasion};
use crate::policy::Route;

/// A message to people, with the same in JSON for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// One line of ASCII, at most 99 characters, as SNS demands of e-mail subjects.
    pub subject: String,
    /// The text for people.
    pub text: String,
    /// The same for machines.
    pub json: Value,
    /// For the filter policies of subscriptions.
    pub attributes: [(&'static str, String); 6],
}

const SUBJECT: usize = 99;

impl Notification {
    /// Tells of a change of the incident. A repetition carries the same `id`.
    #[must_use]
    pub fn of(incident: &Incident, occasion: Occasion, route: &Route, place: &Place) -> Self {
        let change = occasion.change;
        let resource = &incident.resource;
        Self {
            subject: subject(incident, change, route, place),
            text: text(incident, route, place),
            json: details(incident, occasion, route, place),
            attributes: [
                ("severity", incident.severity.to_string()),
                ("route", route.name.to_string()),
                ("account", resource.account.to_string()),
                ("environment", place.environment.to_string()),
                ("decision", change.verdict().to_string()),
                ("change", change.to_string()),
            ],
        }
    }
}

impl Notification {
    /// Tells of something that is not about one incident.
    pub(super) fn about_mend(
        place: &Place,
        what: &str,
        text: String,
        json: Value,
        severity: &str,
        route: &str,
        change: &str,
    ) -> Self {
        let subject = format!("[Mend {}] {what}", place.environment);
        Self {
            subject: subject.chars().take(SUBJECT).collect(),
            text,
            json,
            attributes: [
                ("severity", severity.to_owned()),
                ("route", route.to_owned()),
                ("account", place.account.to_string()),
                ("environment", place.environment.to_string()),
                ("decision", "none".to_owned()),
                ("change", change.to_owned()),
            ],
        }
    }
}

fn subject(incident: &Incident, change: Change, route: &Route, place: &Place) -> String {
    let word = match change {
        Change::Observed => "Observed",
        Change::Deferred => "Deferred",
        Change::Suppressed => "Suppressed",
        Change::AwaitingApproval => "Needs approval",
        Change::Reminded => "Still needs approval",
        Change::Responding => "Repairing",
        Change::Escalated => "Needs you",
        Change::Reopened => "Reopened",
        Change::Resolved => "Resolved",
    };
    let subject = format!("[Mend {}] {word}: {}, {}", place.environment, route.title, incident.resource.id);
    subject.chars().take(SUBJECT).collect()
}

fn text(incident: &Incident, route: &Route, place: &Place) -> String {
    let causes: Vec<_> =
        incident.reporters().map(|(cause, record)| format!("{cause}, as of {}", record.at)).collect();
    let mut text = format!(
        "{}\n\nWhat happened: reported by {}.\nWhat Mend did: {}\nWhat you need to do: {}\n\n",
        what_and_where(incident, route, place),
        causes.join("; "),
        what_mend_did(incident, route),
        what_you_need_to_do(incident, route, place),
    );
    // Writing to a string does not fail.
    if let Some(id) = &incident.ops_item {
        let _ = writeln!(text, "OpsItem:   {}", place.ops_item_link(id));
    }
    if let Some(id) = incident.latest_execution() {
        let _ = writeln!(text, "Execution: {}", place.execution_link(id));
    }
    let _ = writeln!(text, "Incident:  {} (route {}, severity {})", incident.id, route.name, incident.severity);
    text
}

/// The change for machines: the JSON of notifications and the detail of Mend's events.
pub(super) fn details(incident: &Incident, occasion: Occasion, route: &Route, place: &Place) -> Value {
    let Occasion { change, number } = occasion;
    let execution = incident.latest_execution();
    let causes: Vec<_> = incident.reporters().map(|(cause, _)| cause.key()).collect();
    json!({
        "id": effect_key(&incident.id, incident.opened_at, &format!("change/{number}")).to_string(),
        "change": change.to_string(),
        "decision": change.verdict(),
        "incident": incident.id.to_string(),
        "state": state_name(&incident.state),
        "environment": place.environment.to_string(),
        "route": route.name,
        "problem": incident.problem,
        "title": route.title,
        "severity": incident.severity,
        "resource": incident.resource,
        "causes": causes,
        "attempt": incident.latest_attempt().map(|attempt| attempt.number.number()),
        "runbook": plan(incident).map(|plan| &plan.runbook),
        "execution": execution,
        "opsItem": incident.ops_item,
        "links": {
            "opsItem": incident.ops_item.as_ref().map(|id| place.ops_item_link(id)),
            "execution": execution.map(|id| place.execution_link(id)),
        },
    })
}
