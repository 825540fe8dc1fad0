//! A runbook looks before it changes anything, and afterwards.

use std::collections::BTreeMap;

use super::Report;
use super::action::{Call, calls};
use super::conclusion::last_step;
use super::document::{Document, Step};
use super::flow::{After, Flow};
use super::undo::EXEMPT;
use super::value::line;

const VERIFY: &str = "Verify";

/// The checks, for a runbook that changes something by its own steps.
pub(super) fn check(document: &Document, flow: &Flow<'_>, report: &mut Report<'_>) {
    let calls: BTreeMap<&str, Vec<Call>> =
        document.main_steps.value.iter().map(|step| (step.name(), calls(step))).collect();
    let reads = |step: &str, service: &str| {
        calls.get(step).is_some_and(|calls| calls.iter().any(|call| !call.changes && call.service == service))
    };
    let changes =
        |step: &str| step != EXEMPT && calls.get(step).is_some_and(|calls| calls.iter().any(|call| call.changes));
    let before = flow.succeeded_before();

    for step in changing(document) {
        let name = step.name();
        let services = calls.get(name).into_iter().flatten().filter(|call| call.changes).map(|call| &call.service);
        let mut services = services.collect::<Vec<_>>();
        services.dedup();
        for service in services {
            let looked = before.get(name).is_some_and(|before| before.iter().any(|step| reads(step, service)));
            if !looked {
                report.wrong(
                    line(&step.name),
                    format!("{name} changes {service}, and no step has looked there before"),
                );
            }
            let unread = |step: &str, after| !(after == After::Success && reads(step, service));
            if flow.reached(name, unread).contains(last_step()) {
                report.wrong(
                    line(&step.name),
                    format!("{name} changes {service}, and a way to Conclude does not read back what came of it"),
                );
            }
        }
        let unverified = |step: &str, after| !(after == After::Success && step == VERIFY);
        if flow.reached(name, unverified).contains(last_step()) {
            report.wrong(
                line(&step.name),
                format!("a way leads from {name} to Conclude without a step called Verify"),
            );
        }
    }
    if changes(last_step()) {
        let problem = "Conclude changes something, and nothing reads back what came of it";
        report.wrong(line(&document.main_steps), problem);
    }
    let first = document.main_steps.value.first().filter(|_| changing(document).next().is_some());
    if let Some(first) = first
        && (changes(first.name()) || !flow.reached(first.name(), |step, _| !changes(step)).contains(last_step()))
    {
        let problem = "no way leads to Conclude without a change, so what is compliant already would be changed";
        report.wrong(line(&first.name), problem);
    }
}

/// The steps that change something, but for an exemption, which has rules of its own.
pub(super) fn changing(document: &Document) -> impl Iterator<Item = &Step> {
    let steps = document.main_steps.value.iter().filter(|step| step.name() != EXEMPT);
    steps.filter(|step| calls(step).iter().any(|call| call.changes))
}
