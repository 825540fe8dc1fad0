//! Taking in what waits in a row's inbox. Pure.

use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::incident::{AttemptReport, Consequence, Heard, Incident};
use mend_core::policy::{Policy, Route, Routing};
use mend_core::signal::{CauseState, Signal};
use mend_core::time::Timestamp;

use crate::world::{News, Row};

/// What followed from the inbox.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// One for each piece of news.
    pub(super) heard: Vec<Heard>,
    /// What executions found before their changes.
    pub(super) before_states: Vec<AttemptReport>,
    /// The generation that has ended.
    pub(super) history: Option<Incident>,
}

impl Intake {
    /// Whether a decision has to be made, if the news changes anything in that. The last consequence counts.
    pub(super) fn undecided(&self) -> Option<bool> {
        let mut consequences = self.heard.iter().rev().map(|heard| heard.consequence);
        let last = consequences.find(|consequence| *consequence != Consequence::Nothing);
        last.map(|consequence| consequence == Consequence::Undecided)
    }
}

/// Empties the row's inbox into its incident. What would begin a new generation stays there while the one that
/// has ended still has something to tell: it would take its outbox along.
pub(super) fn take_in(row: &mut Row, policy: &Policy, now: Timestamp) -> Intake {
    let mut intake = Intake::default();
    let mut inbox = std::mem::take(&mut row.inbox).into_iter();
    while let Some(news) = inbox.next() {
        if comes_too_early(row, &news) {
            row.inbox = std::iter::once(news).chain(inbox).collect();
            break;
        }
        if row.knows(&news) {
            intake.heard.push(nothing(Reason::AlreadyKnown));
            continue;
        }
        row.heard.insert(news.teller(), news.told_at());
        let heard = match news {
            News::Signal(signal) => hear_signal(row, signal, policy, now, &mut intake),
            News::Outcome(report) => hear_outcome(row, report, policy, now, &mut intake),
            News::Person(word) => match &mut row.incident {
                Some(incident) => incident.hear_person(&word, now),
                None => nothing(Reason::UnknownIncident(word.incident)),
            },
            News::Undoing(undoing) => match &mut row.incident {
                Some(incident) => nothing(incident.undone(&undoing)),
                None => nothing(Reason::UnknownIncident(undoing.incident)),
            },
        };
        intake.heard.push(heard);
    }
    intake
}

fn comes_too_early(row: &Row, news: &News) -> bool {
    let News::Signal(signal) = news else { return false };
    let saying_goodbye =
        row.incident.as_ref().is_some_and(|incident| incident.state.is_over() && !incident.outbox.is_empty());
    saying_goodbye && signal.state == CauseState::Violated && !row.knows(news)
}

fn hear_signal(row: &mut Row, signal: Signal, policy: &Policy, now: Timestamp, intake: &mut Intake) -> Heard {
    let Some(incident) = &mut row.incident else {
        return match (signal.state, policy.routing(&signal)) {
            (CauseState::Violated, Routing::To(route)) => {
                let (incident, heard) = Incident::open(&signal, route, now);
                row.incident = Some(incident);
                heard
            }
            (CauseState::Clear, Routing::To(_)) => nothing(Reason::NothingToClear),
            (_, Routing::OtherResourceType(_) | Routing::Nowhere) => nothing(Reason::NoRoute(signal.cause)),
        };
    };
    let Some(route) = route_of(incident, policy) else { return nothing(Reason::RouteGone) };
    let before = incident.clone();
    let heard = incident.hear(&signal, route, now);
    if incident.id != before.id {
        intake.history = Some(before);
        row.forget_generation();
    }
    heard
}

fn hear_outcome(
    row: &mut Row,
    report: AttemptReport,
    policy: &Policy,
    now: Timestamp,
    intake: &mut Intake,
) -> Heard {
    let heard = match &mut row.incident {
        Some(incident) => {
            // Whose route is gone gets no further attempt, and yet its outcome counts.
            let attempts = route_of(incident, policy).map_or(0, |route| route.attempts);
            incident.hear_outcome(&report, attempts, now)
        }
        None => nothing(Reason::UnknownIncident(report.incident.clone())),
    };
    // Whatever came of it: whoever made the change may want to undo it.
    if report.before_state.is_some() {
        intake.before_states.push(report);
    }
    heard
}

fn nothing(reason: Reason) -> Heard {
    Heard { consequence: Consequence::Nothing, reasons: vec![reason] }
}

/// The incident's route in today's policy.
pub(crate) fn route_of<'p>(incident: &Incident, policy: &'p Policy) -> Option<&'p Route> {
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
