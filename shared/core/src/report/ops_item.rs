//! The OpsItem of an incident.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Place, plan, state_name, what_and_where, what_mend_did, what_you_need_to_do};
use crate::incident::{Approval, Effect, Incident, State};
use crate::policy::{Category, Route, Severity};
use crate::switches::exemption_parameter;

/// The statuses of an OpsItem that a person may also set. Source: `AWS Systems Manager` user guide,
/// "Editing an OpsItem"; the others of the API belong to change requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpsItemStatus {
    /// Nobody works on it.
    Open,
    /// An attempt is under way.
    InProgress,
    /// It is over.
    Resolved,
}

/// A value of the operational data: at most 20 KB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationalValue {
    /// Readable for everyone who may list OpsItems.
    Searchable(String),
    /// Readable for those who may read the OpsItem.
    Plain(String),
}

/// What stands in an OpsItem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsItemContent {
    /// At most 1,024 characters.
    pub title: String,
    /// Markdown, at most 2,048 characters.
    pub description: String,
    /// From critical to low.
    pub severity: Severity,
    /// What kind of problem.
    pub category: Category,
    /// Where it stands.
    pub status: OpsItemStatus,
    /// By key; keys of the OpsItem that are not here stay as they are.
    pub operational_data: BTreeMap<String, OperationalValue>,
}

const DESCRIPTION: usize = 2_048;
const OPERATIONAL_VALUE: usize = 20_000;

impl OpsItemContent {
    /// The OpsItem that shows the incident as it is.
    #[must_use]
    pub fn of(incident: &Incident, route: &Route, place: &Place) -> Self {
        let causes: Vec<_> = incident.reporters().map(|(cause, _)| cause.to_string()).collect();
        let description = format!(
            "{}\n\n\
             Reported by {}.\n\n\
             **What Mend did:** {}\n\n\
             **What you need to do:** {}\n\n\
             The story so far is in the operational data under `mend/timeline`.",
            what_and_where(incident, route, place),
            causes.join(", "),
            what_mend_did(incident, route),
            what_you_need_to_do(incident, route, place),
        );
        Self {
            title: format!("{}: {}", route.title, incident.resource.id),
            description: cut(description, DESCRIPTION),
            severity: incident.severity,
            category: route.category,
            status: status(incident),
            operational_data: operational_data(incident, route, place),
        }
    }
}

/// An attempt is in progress when it has begun.
fn status(incident: &Incident) -> OpsItemStatus {
    match &incident.state {
        // The attempt ends as it ends; the person has said what counts.
        State::Remediating(_) if incident.is_closed_by_person() => OpsItemStatus::Resolved,
        State::Remediating(_) if !incident.outbox.contains(&Effect::Runbook) => OpsItemStatus::InProgress,
        State::Resolved { .. } => OpsItemStatus::Resolved,
        State::Open
        | State::Observed(_)
        | State::Suppressed
        | State::Deferred { .. }
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated
        | State::Reopened => OpsItemStatus::Open,
    }
}

fn operational_data(incident: &Incident, route: &Route, place: &Place) -> BTreeMap<String, OperationalValue> {
    let searchable = |text: String| OperationalValue::Searchable(cut(text, OPERATIONAL_VALUE));
    let resource = &incident.resource;
    let keys: Vec<_> = incident.reporters().map(|(cause, _)| cause.key()).collect();
    let runbooks: Vec<_> = std::iter::once(&route.runbook)
        .chain(&route.undo)
        .map(|name| json!({"automationId": name, "automationType": "AWS::SSM::Automation"}))
        .collect();
    let mut data = BTreeMap::from([
        ("/aws/dedup".to_owned(), searchable(json!({"dedupString": incident.dedup_string()}).to_string())),
        ("/aws/automations".to_owned(), searchable(json!(runbooks).to_string())),
        ("mend/incident".to_owned(), searchable(incident.id.to_string())),
        ("mend/state".to_owned(), searchable(state_name(&incident.state).to_owned())),
        ("mend/route".to_owned(), searchable(route.name.to_string())),
        ("mend/problem".to_owned(), searchable(incident.problem.to_string())),
        ("mend/resource".to_owned(), searchable(format!("{} {}", resource.kind, resource.id))),
        ("mend/causes".to_owned(), searchable(keys.join(", "))),
        (
            "mend/exemption".to_owned(),
            OperationalValue::Plain(exemption_parameter(place.environment, &route.name, resource)),
        ),
        ("mend/timeline".to_owned(), OperationalValue::Plain(timeline(incident))),
    ]);
    if let Some(arn) = place.arn(resource) {
        data.insert("/aws/resources".to_owned(), searchable(json!([{ "arn": arn }]).to_string()));
    }
    if let Some(Approval { execution: Some(execution), .. }) = &incident.approval {
        data.insert("mend/approval".to_owned(), searchable(execution.to_string()));
        data.insert("mend/approval-link".to_owned(), OperationalValue::Plain(place.execution_link(execution)));
    }
    if let Some(plan) = plan(incident) {
        let parameters: BTreeMap<_, _> = plan.parameters.iter().collect();
        let plan =
            json!({"runbook": plan.runbook, "version": plan.version, "role": plan.role, "parameters": parameters});
        data.insert("mend/plan".to_owned(), OperationalValue::Plain(plan.to_string()));
    }
    if let Some(execution) = incident.latest_execution() {
        data.insert("mend/execution".to_owned(), searchable(execution.to_string()));
        data.insert("mend/execution-link".to_owned(), OperationalValue::Plain(place.execution_link(execution)));
    }
    data
}

fn timeline(incident: &Incident) -> String {
    let lines: Vec<_> = incident.notes.iter().map(|note| format!("{} {}", note.at, note.text)).collect();
    // The newest lines matter most.
    let mut text = lines.join("\n");
    while text.len() > OPERATIONAL_VALUE {
        text = text.split_once('\n').map_or_else(String::new, |(_, rest)| rest.to_owned());
    }
    text
}

/// At most so many bytes, and so many characters at most.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit - '…'.len_utf8()).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
