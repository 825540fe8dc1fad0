//! What a start sends: to a runbook, or to the one that asks for approval first.

use std::collections::HashMap;

use aws_sdk_ssm::error::BuildError;
use aws_sdk_ssm::types::{Alarm, AlarmConfiguration, Tag};
use mend_core::automation::{AlarmName, Approver, CalendarName};
use mend_core::report::ApprovalRequest;
use mend_responder::world::Launch;
use serde_json::json;

use super::INCIDENT;
use crate::Names;

pub(super) type Parameters = HashMap<String, Vec<String>>;

/// The plan's parameters, and those that every runbook takes.
pub(super) fn of_launch(launch: &Launch<'_>) -> Parameters {
    let own = launch.plan.parameters.iter().map(|(name, value)| (name.to_string(), vec![value.clone()]));
    let common = [
        ("AutomationAssumeRole", launch.plan.role.to_string()),
        ("Incident", launch.incident.to_string()),
        ("Attempt", launch.attempt.to_string()),
    ];
    own.chain(common.map(|(name, value)| (name.to_owned(), vec![value]))).collect()
}

/// What people are told, what they approve, and who and what else has a say.
pub(super) fn of_request(request: &ApprovalRequest, names: &Names) -> Parameters {
    let plan = &request.attempt.plan;
    let texts = request.texts.iter().map(|(name, text)| (*name, text.clone()));
    let planned = [
        ("AutomationAssumeRole", names.approval_role_arn.to_string()),
        ("RunbookName", plan.runbook.to_string()),
        ("RunbookVersion", plan.version.to_string()),
        ("RunbookRole", plan.role.to_string()),
        ("RunbookParameters", json!(plan.parameters).to_string()),
        ("ApprovalTopicArn", names.approval_topic_arn.clone()),
    ];
    // What is an emergency does not wait for a calendar after the yes either.
    let calendars = names.calendars.iter().filter(|_| request.minds_calendar);
    let lists = [
        ("Approvers", names.approvers.iter().map(Approver::to_string).collect::<Vec<_>>()),
        ("ChangeCalendars", calendars.map(CalendarName::to_string).collect()),
    ];
    // Without calendars the runbook's default holds: none.
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let single = texts.chain(planned).map(|(name, value)| (name, vec![value]));
    single.chain(lists).map(|(name, values)| (name.to_owned(), values)).collect()
}

/// By these people find Mend's executions, and Mend finds its own.
pub(super) fn tags(incident: &str, attempt: &str) -> Result<Vec<Tag>, BuildError> {
    [("Application", "mend"), (INCIDENT, incident), ("mend:attempt", attempt)]
        .into_iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// An alarm whose state Automation cannot read stops the execution, too: that is the default.
pub(super) fn alarm(alarm: &AlarmName) -> Result<AlarmConfiguration, BuildError> {
    AlarmConfiguration::builder().alarms(Alarm::builder().name(alarm.as_str()).build()?).build()
}
