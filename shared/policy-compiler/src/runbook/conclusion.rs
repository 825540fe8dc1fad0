//! Every way ends in `Conclude`, which says what came of the execution.

use super::Report;
use super::document::{Document, Type};
use super::kind::Kind;
use super::value::line;

const CONCLUDE: &str = "Conclude";
const CONCLUSION: [&str; 3] = ["Outcome", "Changes", "BeforeState"];
/// What is undone, in whose story it belongs, and what keeps it from being mended straight back.
const CONCLUSION_OF_RESTORE: [&str; 6] = ["Outcome", "Changes", "BeforeState", "Incident", "Attempt", "Exemption"];
const BEFORE_STATE: &str = ".BeforeState";
/// By its id, what was run can be undone.
const CHILD: &str = "Run.ExecutionId";

const fn conclusion(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Repairs | Kind::Asks => &CONCLUSION,
        Kind::Restores => &CONCLUSION_OF_RESTORE,
    }
}

pub(super) fn check(document: &Document, kind: Kind, report: &mut Report<'_>) {
    for step in document.main_steps.value.iter().filter(|step| step.ends() && step.name() != CONCLUDE) {
        report.wrong(line(&step.name), format!("{} ends the execution; only Conclude may", step.name()));
    }
    let Some(last) = document.main_steps.value.last() else {
        return report.wrong(line(&document.main_steps), "mainSteps holds no step");
    };
    if last.name() != CONCLUDE || !last.ends() {
        return report.wrong(line(&last.name), "the last step must be Conclude, with isEnd: true");
    }
    let conclusion = conclusion(kind);
    for name in conclusion {
        let expected = format!("$.Payload.{name}");
        let output = last.outputs.iter().find(|output| output.name.value == *name);
        let fits = output.is_some_and(|output| {
            output.kind.value.parse() == Ok(Type::String) && output.selector.value == expected
        });
        if !fits {
            let place = output.map_or_else(|| line(&last.name), |output| line(&output.name));
            report.wrong(place, format!("Conclude must put out {name}, a String, from {expected}"));
        }
    }
    let (first, more) = document.outputs.value.split_at(document.outputs.value.len().min(conclusion.len()));
    let expected = conclusion.iter().map(|name| format!("{CONCLUDE}.{name}")).collect::<Vec<_>>();
    if !first.iter().map(|output| output.value.as_str()).eq(expected.iter().map(String::as_str)) {
        report.wrong(line(&document.outputs), format!("outputs must begin with {}", expected.join(", ")));
    }
    if kind == Kind::Asks {
        if !more.iter().map(|output| output.value.as_str()).eq([CHILD]) {
            report.wrong(line(&document.outputs), format!("besides the conclusion, {CHILD} is put out"));
        }
        return;
    }
    for output in more.iter().filter(|output| !output.value.ends_with(BEFORE_STATE)) {
        report.wrong(line(output), "besides the conclusion, only a step's BeforeState is put out");
    }
}

/// The steps whose before-state is put out beside that of `Conclude`.
pub(super) fn early_before_states(document: &Document) -> impl Iterator<Item = &str> {
    let all = document.outputs.value.iter().filter_map(|output| output.value.strip_suffix(BEFORE_STATE));
    all.filter(|step| *step != CONCLUDE)
}

/// The step that ends every execution.
pub(super) const fn last_step() -> &'static str {
    CONCLUDE
}
