//! The form of a runbook and of its steps.

use regex_lite::Regex;

use super::Report;
use super::action::{Action, problems};
use super::document::{Document, Step, Type};
use super::kind::Kind;
use super::value::line;

const ROLE: &str = "{{ AutomationAssumeRole }}";
const SHORTEST_DESCRIPTION: usize = 50;

pub(super) fn check_head(name: &str, document: &Document, report: &mut Report<'_>) {
    if !matches(r"^Mend-([A-Z][a-z]+){2,}$", name) {
        report.wrong(None, "the file's name must be Mend-, a verb and a noun, like Mend-CloseAdminPorts.yaml");
    }
    if document.schema_version.value != "0.3" {
        report.wrong(line(&document.schema_version), "schemaVersion must be \"0.3\"");
    }
    let description = &document.description.value;
    if description.chars().count() < SHORTEST_DESCRIPTION || !matches(r"^[A-Z][a-z]+s ", description) {
        let problem =
            "the description must say what the runbook changes, beginning with a verb: Closes …, Turns …";
        report.wrong(line(&document.description), problem);
    }
    if document.assume_role.value != ROLE {
        report.wrong(
            line(&document.assume_role),
            format!("assumeRole must be \"{ROLE}\": a start says whose hands"),
        );
    }
}

pub(super) fn check(document: &Document, kind: Kind, report: &mut Report<'_>) {
    for step in &document.main_steps.value {
        if !matches("^[a-zA-Z0-9_]+$", step.name()) {
            report.wrong(line(&step.name), "a step's name must be letters, digits and _");
        }
        for (line, problem) in problems(step, kind) {
            report.wrong(line, problem);
        }
        check_time(step, kind, report);
        check_failure(step, report);
        check_outputs(step, report);
    }
}

fn check_time(step: &Step, kind: Kind, report: &mut Report<'_>) {
    let Some(action) = Action::of(step).filter(|action| *action != Action::Branch) else { return };
    let longest = action.longest_seconds(kind);
    let bounded = step.timeout_seconds.as_ref().filter(|seconds| (1..=longest).contains(&seconds.value));
    if bounded.is_none() {
        let place = step.timeout_seconds.as_ref().map_or_else(|| line(&step.name), line);
        report.wrong(place, format!("{} needs timeoutSeconds, from 1 to {longest}", step.name()));
    }
}

/// AWS leaves open what some combinations mean.
fn check_failure(step: &Step, report: &mut Report<'_>) {
    let goes_on = step.on_failure.as_ref().filter(|on_failure| on_failure.value != "Abort");
    match (goes_on, &step.is_critical, &step.is_end) {
        (Some(on_failure), None, _) => {
            let problem = "onFailure goes on, so isCritical must say whether the execution has failed then";
            report.wrong(line(on_failure), problem);
        }
        (Some(on_failure), _, Some(is_end)) if is_end.value => {
            report.wrong(line(on_failure), "a step cannot end the execution and go on when it fails");
        }
        (None, Some(is_critical), _) if !is_critical.value => {
            report.wrong(line(is_critical), "a step that aborts when it fails cannot be uncritical");
        }
        _ => {}
    }
}

fn check_outputs(step: &Step, report: &mut Report<'_>) {
    for output in &step.outputs {
        if let Err(problem) = output.kind.value.parse::<Type>() {
            report
                .wrong(line(&output.kind), format!("the type of {}.{} {problem}", step.name(), output.name.value));
        }
        if !matches(r"^\$(\.?\.[A-Za-z_][A-Za-z0-9_-]*|\['[^']+'\]|\[[0-9]+\])*$", &output.selector.value) {
            let problem = "a selector begins with $ and goes on with .name, ..name, ['name'] or [number]";
            report.wrong(line(&output.selector), problem);
        }
    }
}

pub(super) fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}
