//! Which step can come after which, and what has happened by then.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use super::action::{Action, branch_targets};
use super::document::{Document, Step};
use super::script::Script;
use super::value::line;

/// How a step has ended when another follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Success,
    /// Failure, or being cancelled.
    Failure,
}

/// The steps of a runbook as a graph without circles, in which every step can be reached.
pub(super) struct Flow<'a> {
    /// Every step comes after all that lead to it.
    pub(super) order: Vec<&'a Step>,
    edges: BTreeMap<&'a str, Vec<(After, &'a str)>>,
}

impl<'a> Flow<'a> {
    /// The graph; or a report of what is wrong with it.
    pub(super) fn of(document: &'a Document, report: &mut Report<'_>) -> Option<Self> {
        let before = report.count();
        let steps = document.main_steps.value.as_slice();
        let first = steps.first()?;
        let mut by_name = BTreeMap::new();
        for step in steps {
            if by_name.insert(step.name(), step).is_some() {
                report.wrong(line(&step.name), format!("two steps are called {}", step.name()));
            }
        }
        let mut edges = BTreeMap::new();
        for (step, following) in steps.iter().zip(steps.iter().skip(1).map(Some).chain([None])) {
            let mut after = Vec::new();
            for (how, target, line) in targets(step, following, report) {
                if by_name.contains_key(target) {
                    after.push((how, target));
                } else {
                    report.wrong(line, format!("{} goes on to {target}, and there is no such step", step.name()));
                }
            }
            edges.insert(step.name(), after);
        }
        if report.count() > before {
            return None;
        }
        let mut search = Search { edges: &edges, finished: Vec::new(), path: Vec::new() };
        if let Some(circle) = search.circle_from(first.name()) {
            let place = circle.first().and_then(|name| by_name.get(name)).map(|step| line(&step.name));
            report.wrong(place, format!("the steps run in a circle: {}", circle.join(" -> ")));
            return None;
        }
        let order = search.finished.iter().rev().filter_map(|name| by_name.get(name).copied()).collect::<Vec<_>>();
        let reached = order.iter().map(|step| step.name()).collect::<BTreeSet<_>>();
        for step in steps.iter().filter(|step| !reached.contains(step.name())) {
            report.wrong(line(&step.name), format!("no way leads to {}", step.name()));
        }
        (report.count() == before).then_some(Self { order, edges })
    }

    /// For each step, the steps that have succeeded on every way to it.
    pub(super) fn succeeded_before(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for step in &self.order {
            let here = before.entry(step.name()).or_default().clone();
            for (after, target) in self.edges_of(step.name()) {
                let mut there = here.clone();
                if *after == After::Success {
                    there.insert(step.name());
                }
                let known = before.get(target).map(|known| known.intersection(&there).copied().collect());
                before.insert(target, known.unwrap_or(there));
            }
        }
        before
    }

    /// The steps that can come after one, by ways on which every later step lets through.
    pub(super) fn reached(&self, from: &'a str, lets_through: impl Fn(&str, After) -> bool) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![from];
        while let Some(name) = ahead.pop() {
            for (after, target) in self.edges_of(name) {
                if (name == from || lets_through(name, *after)) && reached.insert(*target) {
                    ahead.push(target);
                }
            }
        }
        reached
    }

    fn edges_of(&self, name: &str) -> &[(After, &'a str)] {
        self.edges.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The steps that a step goes on to, and the lines that say so.
fn targets<'a>(
    step: &'a Step,
    following: Option<&'a Step>,
    report: &mut Report<'_>,
) -> Vec<(After, &'a str, u64)> {
    let mut targets = Vec::new();
    let never_succeeds = Script::of(step).is_some_and(|script| script.only_raises());
    if Action::of(step) == Some(Action::Branch) {
        targets.extend(branch_targets(step).iter().map(|target| (After::Success, target.value, line(target))));
    } else if !never_succeeds && !step.ends() {
        if let Some(next) = &step.next {
            targets.push((After::Success, next.value.as_str(), line(next)));
        } else if let Some(following) = following {
            targets.push((After::Success, following.name(), line(&step.name)));
        }
    }
    for (field, value) in [("onFailure", &step.on_failure), ("onCancel", &step.on_cancel)] {
        let Some(value) = value else { continue };
        if let Some(target) = value.value.strip_prefix("step:") {
            targets.push((After::Failure, target, line(value)));
        } else if value.value != "Abort" {
            let problem =
                format!("{field} must be Abort or step:NAME: AWS leaves open what {} means", value.value);
            report.wrong(line(value), problem);
        }
    }
    targets
}

/// A search in depth.
struct Search<'a, 'e> {
    edges: &'e BTreeMap<&'a str, Vec<(After, &'a str)>>,
    /// Steps after which everything has been searched.
    finished: Vec<&'a str>,
    path: Vec<&'a str>,
}

impl<'a> Search<'a, '_> {
    /// The steps of a circle that can be reached from a step.
    fn circle_from(&mut self, name: &'a str) -> Option<Vec<&'a str>> {
        if self.finished.contains(&name) {
            return None;
        }
        if self.path.contains(&name) {
            let circle = self.path.iter().copied().skip_while(|step| *step != name);
            return Some(circle.chain([name]).collect());
        }
        self.path.push(name);
        for (_, target) in self.edges.get(name).map(Vec::as_slice).unwrap_or_default() {
            if let Some(circle) = self.circle_from(target) {
                return Some(circle);
            }
        }
        self.path.pop();
        self.finished.push(name);
        None
    }
}
