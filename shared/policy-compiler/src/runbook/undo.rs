//! What can be undone has a runbook that restores it: `Mend-RestoreAdminPorts` for `Mend-CloseAdminPorts`.

use super::action::{Action, calls};
use super::changes::changing;
use super::conclusion::{early_before_states, last_step};
use super::document::Document;
use super::flow::Flow;
use super::kind::{Kind, noun, restore_of, restores};
use super::value::line;
use super::{Report, Runbooks};

/// The step that keeps the resource from being mended straight back.
pub(super) const EXEMPT: &str = "ExemptResource";

/// A restore is one command: all else that it takes is known to the stack.
const GIVEN_TO_RESTORE: &str = "ExecutionId";

/// The steps that record what was there.
pub(super) fn recorded(document: &Document) -> impl Iterator<Item = &str> {
    early_before_states(document)
}

pub(super) fn check_twin(name: &str, document: &Document, runbooks: &Runbooks, report: &mut Report<'_>) {
    let described = |twin: &str| document.description.value.contains(twin);
    if restores(name) {
        let mut others = runbooks.by_name.keys().filter(|other| Kind::of(other) == Kind::Repairs);
        let twin = others.find(|other| restore_of(other) == name);
        match twin {
            None => report.wrong(None, format!("runbooks/ holds no other runbook about {}", noun(name))),
            Some(twin) if !described(twin) => {
                report.wrong(
                    line(&document.description),
                    format!("the description must name {twin}, which it undoes"),
                );
            }
            Some(_) => {}
        }
        for (parameter, declared) in &document.parameters {
            if (parameter.value == GIVEN_TO_RESTORE) == declared.default.is_some() {
                let problem =
                    format!("a restore is started with {GIVEN_TO_RESTORE} alone: all else has a default");
                report.wrong(line(parameter), problem);
            }
        }
    } else if recorded(document).next().is_some() {
        let twin = restore_of(name);
        if !runbooks.by_name.contains_key(&twin) {
            let problem =
                format!("it records a before-state, and runbooks/ holds no {twin}.yaml that restores it");
            report.wrong(line(&document.outputs), problem);
        } else if !described(&twin) {
            report
                .wrong(line(&document.description), format!("the description must name {twin}, which undoes it"));
        }
    }
}

/// An execution that fails half-way never comes to `Conclude`, and must be possible to undo as well.
pub(super) fn check_recorded(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let recorded = recorded(document).collect::<Vec<_>>();
    if recorded.is_empty() {
        return;
    }
    let before = flow.succeeded_before();
    for step in changing(document) {
        let known =
            before.get(step.name()).is_some_and(|before| recorded.iter().any(|step| before.contains(step)));
        if !known {
            let problem = format!("{} changes something before a before-state has been put out", step.name());
            report.wrong(line(&step.name), problem);
        }
    }
}

/// What is undone is exempted first, or Mend would mend it back at the next finding.
pub(super) fn check_exemption(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let Some(exempt) = document.main_steps.value.iter().find(|step| step.name() == EXEMPT) else {
        return report.wrong(line(&document.main_steps), format!("a runbook that restores has a step {EXEMPT}"));
    };
    let changes = calls(exempt).into_iter().filter(|call| call.changes);
    let sets_a_parameter = changes.map(|call| (call.service, call.operation)).eq([exemption()]);
    if Action::of(exempt) != Some(Action::Script) || !sets_a_parameter {
        let problem =
            format!("{EXEMPT} must be a script that calls put_parameter of ssm, and changes nothing else");
        report.wrong(line(&exempt.name), problem);
    }
    let before = flow.succeeded_before();
    let ends = document.main_steps.value.iter().filter(|step| step.name() == last_step());
    for step in changing(document).chain(ends) {
        if !before.get(step.name()).is_some_and(|before| before.contains(EXEMPT)) {
            let problem = format!("a way leads to {} on which {EXEMPT} has not succeeded", step.name());
            report.wrong(line(&step.name), problem);
        }
    }
}

fn exemption() -> (String, String) {
    ("ssm".to_owned(), "put_parameter".to_owned())
}
