//! Taking in what waits in a row's inbox. Pure.

use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::incident::{AttemptReport, Consequence, Heard, Incident};
use mend_core::policy::{Policy, Route, Routing};
use mend_core::time::Timestamp;

use crate::world::{News, Row};

/// What followed from the inbox.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// One for each piece of news.
    pub(super) heard: Vec<Heard>,
    /// What an execution found before its change.
    pub(super) before_state: Option<AttemptReport>,
    /// The generation that has ended.
    pub(super) history: Option<Incident>,
}

impl Intake {
    /// Whether a decision has to be made.
    pub(super) fn undecided(&self) -> bool {
        self.heard.iter().any(|heard| heard.consequence == Consequence::Undecided)
    }
}

/// Empties the row's inbox into its incident.
pub(super) fn take_in(row: &mut Row, policy: &Policy, now: Timestamp) -> Intake {
    let mut intake = Intake::default();
    for news in std::mem::take(&mut row.inbox) {
        if row.knows(&news) {
            intake.heard.push(nothing(Reason::AlreadyKnown));
            continue;
        }
        row.heard.insert(news.teller(), news.at());
        let heard = match (&mut row.incident, news) {
            (None, News::Signal(signal)) => match policy.routing(&signal) {
                Routing::To(route) => {
                    let (incident, heard) = Incident::open(&signal, route, now);
                    row.incident = Some(incident);
                    heard
                }
                Routing::OtherResourceType(_) | Routing::Nowhere => nothing(Reason::NoRoute(signal.cause)),
            },
            (None, News::Outcome(report)) => nothing(Reason::UnknownIncident(report.incident)),
            (Some(incident), news) => match route_of(incident, policy) {
                Some(route) => hear(incident, news, route, now, &mut intake),
                None => nothing(Reason::RouteGone),
            },
        };
        intake.heard.push(heard);
    }
    intake
}

fn hear(incident: &mut Incident, news: News, route: &Route, now: Timestamp, intake: &mut Intake) -> Heard {
    match news {
        News::Signal(signal) => {
            let before = incident.clone();
            let heard = incident.hear(&signal, route, now);
            if incident.id != before.id {
                intake.history = Some(before);
            }
            heard
        }
        News::Outcome(report) => {
            let heard = incident.hear_outcome(&report, route, now);
            let taken_in = incident
                .finished
                .last()
                .is_some_and(|last| last.attempt.execution.as_ref() == Some(&report.execution));
            if taken_in && report.before_state.is_some() {
                intake.before_state = Some(report);
            }
            heard
        }
    }
}

fn nothing(reason: Reason) -> Heard {
    Heard { consequence: Consequence::Nothing, reasons: vec![reason] }
}

/// The incident's route in today's policy.
pub(super) fn route_of<'p>(incident: &Incident, policy: &'p Policy) -> Option<&'p Route> {
    policy.route(&incident.route, &incident.problem)
}

/// The verdict and reasons that an answer gathers while the row is carried.
#[derive(Debug)]
pub(super) struct Told(Decision);

impl Told {
    pub(super) const fn new() -> Self {
        Self(Decision { verdict: Verdict::Ignore, reasons: Vec::new() })
    }

    pub(super) fn heard(&mut self, heard: &[Heard]) {
        for heard in heard {
            match heard.decision() {
                Some(decision) => self.decided(decision),
                None => self.0.reasons.extend(heard.reasons.iter().cloned()),
            }
        }
    }

    /// The last verdict that is more than "nothing new" stands.
    pub(super) fn decided(&mut self, decision: Decision) {
        if decision.verdict != Verdict::Ignore {
            self.0.verdict = decision.verdict;
        }
        for reason in decision.reasons {
            if !self.0.reasons.contains(&reason) {
                self.0.reasons.push(reason);
            }
        }
    }

    pub(super) fn because(&mut self, reason: Reason) {
        self.0.reasons.push(reason);
    }

    pub(super) fn into_decision(self) -> Decision {
        self.0
    }
}
