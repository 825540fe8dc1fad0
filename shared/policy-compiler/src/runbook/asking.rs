//! The runbook that asks changes nothing but by what it runs, and runs nothing without a yes and another look.

use std::collections::BTreeSet;

use super::Report;
use super::action::{Action, calls};
use super::conclusion::last_step;
use super::document::{Document, Step};
use super::flow::Flow;
use super::value::{Value, line};

/// The steps that it cannot do without, in their order, with what they do.
const STEPS: [(&str, Action); 3] =
    [("RequestApproval", Action::Approve), ("AskAgain", Action::Script), ("Run", Action::Automation)];

/// What the second look has to look at.
const GUARD_RAILS: [&str; 2] = ["get_parameters", "get_calendar_state"];

/// Who is asked, and what is run: as the parameters say that have been approved, or come from the second look.
const INPUTS: [(&str, &str, &str); 5] = [
    ("RequestApproval", "Approvers", "{{ Approvers }}"),
    ("RequestApproval", "NotificationArn", "{{ ApprovalTopicArn }}"),
    ("Run", "DocumentName", "{{ RunbookName }}"),
    ("Run", "DocumentVersion", "{{ RunbookVersion }}"),
    ("Run", "RuntimeParameters", "{{ AskAgain.Parameters }}"),
];

/// What the approvers have to be told, each by the parameter that holds it.
const TOLD: [&str; 9] =
    ["What", "Where", "Why", "RunbookName", "RunbookVersion", "RunbookParameters", "Undo", "PlanHash", "Link"];

pub(super) fn check(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let steps = document.main_steps.value.as_slice();
    for (name, action) in STEPS {
        match steps.iter().find(|step| step.name() == name) {
            None => report.wrong(line(&document.main_steps), format!("it needs a step {name}")),
            Some(step) if Action::of(step) != Some(action) => {
                report.wrong(line(&step.action), format!("{name} must be {}", action.name()));
            }
            Some(step) => check_step(step, report),
        }
        for other in steps.iter().filter(|step| step.name() != name && is_only(action, step)) {
            report.wrong(line(&other.action), format!("only {name} may be {}", action.name()));
        }
    }
    for step in steps.iter().filter(|step| calls(step).iter().any(|call| call.changes)) {
        report
            .wrong(line(&step.name), format!("{} changes something, and here only what is run may", step.name()));
    }
    check_order(document, flow, report);
}

/// Asking and running happen in one place each.
fn is_only(action: Action, step: &Step) -> bool {
    matches!(action, Action::Approve | Action::Automation) && Action::of(step) == Some(action)
}

fn check_step(step: &Step, report: &mut Report<'_>) {
    if let Some(on_failure) = step.on_failure.as_ref().filter(|on_failure| on_failure.value != "Abort") {
        report.wrong(line(on_failure), format!("when {} fails, it must end there", step.name()));
    }
    for (_, input, expected) in INPUTS.iter().filter(|(name, ..)| *name == step.name()) {
        let given = step.input().text(input);
        if given.as_ref().is_none_or(|given| given.value != *expected) {
            let place = given.map_or_else(|| line(&step.inputs), |given| line(&given));
            report.wrong(place, format!("{input} of {} must be \"{expected}\"", step.name()));
        }
    }
    if Action::of(step) == Some(Action::Approve) {
        let message = step.input().text("Message").map_or("", |message| message.value);
        for untold in TOLD.iter().filter(|name| !message.contains(&format!("{{{{ {name} }}}}"))) {
            report.wrong(line(&step.inputs), format!("Message does not tell the approvers {untold}"));
        }
        if !matches!(step.input().get("MinRequiredApprovals").map(|number| &number.value), Some(Value::Number)) {
            report.wrong(line(&step.inputs), "it must say MinRequiredApprovals, a number");
        }
    }
    if Action::of(step) == Some(Action::Script) {
        let called = calls(step).into_iter().map(|call| call.operation).collect::<BTreeSet<_>>();
        for unread in GUARD_RAILS.iter().filter(|operation| !called.contains(**operation)) {
            report.wrong(line(&step.name), format!("{} must call {unread}", step.name()));
        }
    }
}

/// Each has succeeded when the next begins, and all of them before the end.
fn check_order(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let names = STEPS.map(|(name, _)| name);
    let before = flow.succeeded_before();
    for (earlier, later) in names.iter().zip(names.iter().skip(1).chain([&last_step()])) {
        let Some(step) = document.main_steps.value.iter().find(|step| step.name() == *later) else { continue };
        if !before.get(later).is_some_and(|before| before.contains(earlier)) {
            report.wrong(line(&step.name), format!("a way leads to {later} on which {earlier} has not succeeded"));
        }
    }
}
