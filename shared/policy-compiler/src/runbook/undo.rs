//! What can be undone has a runbook that restores it: `Mend-RestoreAdminPorts` for `Mend-CloseAdminPorts`.

use super::changes::changing;
use super::conclusion::early_before_states;
use super::document::Document;
use super::flow::Flow;
use super::parameters::expected_pattern;
use super::value::line;
use super::{Report, Runbooks};

const RESTORE: &str = "Mend-Restore";

/// The parameters by which a restore finds what was there.
const TAKEN_BY_RESTORE: [&str; 2] = ["ExecutionId", "LedgerTableName"];

/// Whether this is the name of a runbook that restores.
pub(crate) fn restores(name: &str) -> bool {
    name.starts_with(RESTORE)
}

/// The runbook that restores what another one has changed.
pub(crate) fn restore_of(name: &str) -> String {
    format!("{RESTORE}{}", noun(name))
}

/// `AdminPorts` of `Mend-CloseAdminPorts`.
fn noun(name: &str) -> &str {
    let verb_and_noun = name.strip_prefix("Mend-").unwrap_or(name);
    let start = verb_and_noun.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase());
    start.and_then(|(at, _)| verb_and_noun.get(at..)).unwrap_or_default()
}

/// The steps that record what was there.
pub(super) fn recorded(document: &Document) -> impl Iterator<Item = &str> {
    early_before_states(document)
}

pub(super) fn check_twin(name: &str, document: &Document, runbooks: &Runbooks, report: &mut Report<'_>) {
    let described = |twin: &str| document.description.value.contains(twin);
    if restores(name) {
        let twin = runbooks.by_name.keys().find(|other| !restores(other) && restore_of(other) == name);
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
        for taken in TAKEN_BY_RESTORE {
            if !document.parameters.iter().any(|(parameter, _)| parameter.value == taken) {
                let problem =
                    format!("a runbook that restores takes the parameter {taken}: {}", expected_pattern(taken));
                report.wrong(line(&document.assume_role), problem);
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
