//! What a signal or an outcome changes in an incident.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Attempt, AttemptReport, CauseRecord, Change, Effect, FinishedAttempt, Incident, Outcome, PersonsWord,
    Resolution, Shown, State,
};
use crate::automation::APPROVE_AND_RUN;
use crate::decision::{Decision, Reason, Verdict};
use crate::identity::{AttemptNumber, Fingerprint, Generation, IncidentId};
use crate::policy::Route;
use crate::report::OpsItemStatus;
use crate::signal::{Cause, CauseState, Signal};
use crate::time::{CLOCK_DIFFERENCE, Timestamp};

/// So often an attempt may be stopped, or held back after its approval, before a person is called.
const INTERRUPTED: usize = 3;

/// What follows from what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing, for now.
    Nothing,
    /// The problem is over.
    Resolved,
    /// A person has to look.
    Escalated,
    /// The problem is there, and what to do about it has to be decided.
    Undecided,
}

/// What follows, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What follows.
    pub consequence: Consequence,
    /// Why.
    pub reasons: Vec<Reason>,
}

impl Heard {
    fn new(consequence: Consequence, reasons: impl Into<Vec<Reason>>) -> Self {
        Self { consequence, reasons: reasons.into() }
    }

    fn nothing(reason: Reason) -> Self {
        Self::new(Consequence::Nothing, [reason])
    }

    /// The decision that this is already; none while it has to be made.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        let verdict = match self.consequence {
            Consequence::Nothing => Verdict::Ignore,
            Consequence::Resolved => Verdict::Resolve,
            // Raising the severity and calling a person is an answer.
            Consequence::Escalated => Verdict::Respond,
            Consequence::Undecided => return None,
        };
        Some(Decision { verdict, reasons: self.reasons.clone() })
    }
}

impl Outcome {
    /// What it says of the attempt of that number.
    fn reason(&self, number: AttemptNumber) -> Reason {
        let failed = |why: &str| Reason::AttemptFailed(number, why.to_owned());
        match self {
            Self::Remediated => Reason::Remediated,
            Self::AlreadyCompliant => Reason::AlreadyCompliant,
            Self::Failed(why) => failed(why),
            Self::TimedOut => failed("it took too long"),
            Self::Cancelled => failed("it was cancelled"),
            Self::NotApproved(why) => Reason::NotApproved(number, why.clone()),
            Self::HeldBack(why) => Reason::HeldBack(number, why.clone()),
        }
    }
}

impl Incident {
    /// Opens the first incident of a problem.
    #[must_use]
    pub fn open(signal: &Signal, route: &Route, now: Timestamp) -> (Self, Heard) {
        let fingerprint = Fingerprint::of(&signal.resource, &route.problem);
        let incident =
            Self::generation(IncidentId { fingerprint, generation: Generation::FIRST }, signal, route, now);
        (incident, Heard::new(Consequence::Undecided, [Reason::CauseViolated(signal.cause.clone())]))
    }

    fn generation(id: IncidentId, signal: &Signal, route: &Route, now: Timestamp) -> Self {
        let mut incident = Self {
            id,
            resource: signal.resource.clone(),
            problem: route.problem.clone(),
            route: route.name.clone(),
            severity: route.severity,
            opened_at: now,
            earlier: Vec::new(),
            changed_by: signal.changed_by.clone(),
            evidence: signal.freshness,
            causes: BTreeMap::from([(signal.cause.clone(), CauseRecord { state: signal.state, at: signal.at })]),
            state: State::Open,
            finished: Vec::new(),
            occasions: 0,
            people_know: false,
            outbox: Vec::new(),
            approval: None,
            withdrawn: Vec::new(),
            gathering: None,
            ops_item: None,
            ops_item_shows: None,
            notes: Vec::new(),
        };
        incident.note(now, format!("Opened: {} reports a violation as of {}", signal.cause, signal.at));
        incident
    }

    /// Takes in what a cause says about the incident's resource.
    ///
    /// A cause moves only forward in its own time, so late, repeated and reordered events are harmless. Of two
    /// words about the same look the one that is handed in later counts: who repeats is not handed in.
    #[must_use]
    pub fn hear(&mut self, signal: &Signal, route: &Route, now: Timestamp) -> Heard {
        if self.causes.get(&signal.cause).is_some_and(|record| {
            record.at > signal.at || (record.at == signal.at && record.state == signal.state)
        }) {
            return Heard::nothing(Reason::AlreadyKnown);
        }
        let record = CauseRecord { state: signal.state, at: signal.at };
        match signal.state {
            CauseState::Violated => self.hear_violated(signal, record, route, now),
            CauseState::Clear => self.hear_clear(signal, record, now),
        }
    }

    fn hear_violated(&mut self, signal: &Signal, record: CauseRecord, route: &Route, now: Timestamp) -> Heard {
        if let State::Resolved { proved_at, how, .. } = self.state {
            // The cause that cleared it may take back its word about the very same look.
            let cleared = CauseRecord { state: CauseState::Clear, at: signal.at };
            let taken_back = how == Resolution::Cleared && self.causes.get(&signal.cause) == Some(&cleared);
            if signal.at <= proved_at && !taken_back {
                self.causes.insert(signal.cause.clone(), record);
                return Heard::nothing(Reason::NotLookedSince(proved_at));
            }
            let id =
                IncidentId { fingerprint: self.id.fingerprint.clone(), generation: self.id.generation.next() };
            let earlier = self.openings_before(now);
            *self = Self { earlier, ..Self::generation(id, signal, route, now) };
            return Heard::new(Consequence::Undecided, [Reason::CauseViolated(signal.cause.clone())]);
        }
        let was_violated = self.is_violated_by(&signal.cause);
        self.causes.insert(signal.cause.clone(), record);
        self.evidence = self.evidence.min(signal.freshness);
        self.changed_by = signal.changed_by.clone().or_else(|| self.changed_by.take());
        if !was_violated {
            self.tell(now, format!("{} reports a violation as of {}", signal.cause, signal.at));
        }
        let violated = Reason::CauseViolated(signal.cause.clone());
        match &self.state {
            State::Open | State::Observed(_) | State::Suppressed | State::Deferred { .. } => {
                Heard::new(Consequence::Undecided, [violated])
            }
            // The person had the last word about what was seen until then; this is seen since.
            State::Reopened => {
                self.state = State::Open;
                Heard::new(Consequence::Undecided, [violated])
            }
            State::Remediating(attempt) => {
                Heard::new(Consequence::Nothing, [violated, Reason::AttemptRuns(attempt.number)])
            }
            State::AwaitingApproval(_) | State::Escalated | State::Resolved { .. } => {
                Heard::new(Consequence::Nothing, [violated, Reason::AwaitsPerson])
            }
        }
    }

    /// When the generations of the last day began, this one included.
    fn openings_before(&self, now: Timestamp) -> Vec<Timestamp> {
        const DAY: Duration = Duration::from_hours(24);
        let own = match self.state {
            State::Resolved { how: Resolution::AlreadyCompliant, .. } => None,
            State::Resolved {
                how: Resolution::Remediated | Resolution::Cleared | Resolution::ByPerson, ..
            }
            | State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred { .. }
            | State::AwaitingApproval(_)
            | State::Remediating(_)
            | State::Escalated
            | State::Reopened => Some(self.opened_at),
        };
        let openings = self.earlier.iter().copied().chain(own);
        openings.filter(|opened_at| now.since(*opened_at) < DAY).collect()
    }

    fn hear_clear(&mut self, signal: &Signal, record: CauseRecord, now: Timestamp) -> Heard {
        let was_violated = self.is_violated_by(&signal.cause);
        self.causes.insert(signal.cause.clone(), record);
        if was_violated && !self.state.is_over() {
            self.tell(now, format!("{} no longer reports a violation as of {}", signal.cause, signal.at));
        }
        let cleared = Reason::CauseCleared(signal.cause.clone());
        let remaining: Vec<_> = self.violated().map(|(cause, _)| cause.clone()).collect();
        if !remaining.is_empty() {
            return Heard::new(Consequence::Nothing, [cleared, Reason::CausesRemain(remaining)]);
        }
        let mut reasons = vec![cleared];
        match &self.state {
            State::Resolved { .. } => return Heard::nothing(Reason::NothingToClear),
            State::Remediating(attempt) => {
                reasons.push(Reason::AttemptRuns(attempt.number));
                return Heard::new(Consequence::Nothing, reasons);
            }
            State::AwaitingApproval(_) => reasons.push(Reason::RequestWithdrawn),
            State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred { .. }
            | State::Escalated
            | State::Reopened => {}
        }
        self.resolve_cleared(now);
        Heard::new(Consequence::Resolved, reasons)
    }

    /// Takes in how an execution ended.
    ///
    /// Its success counts only if it ran as planned, and if no cause complains about a time after it.
    /// `attempts` is how often the route lets the runbook be started.
    #[must_use]
    pub fn hear_outcome(&mut self, report: &AttemptReport, attempts: u8, now: Timestamp) -> Heard {
        if report.incident != self.id {
            return Heard::nothing(Reason::UnknownIncident(report.incident.clone()));
        }
        // A person may start the planned attempt from the OpsItem: that is the approval.
        let is_its = |attempt: &&Attempt| {
            attempt.number == report.attempt
                && (attempt.plan.runbook == report.runbook || report.runbook == APPROVE_AND_RUN)
        };
        let Some(attempt) = self.current_attempt().filter(is_its).cloned() else {
            return Heard::nothing(Reason::OtherAttempt(report.attempt));
        };
        let started = attempt.execution.as_ref().is_none_or(|started| *started == report.execution);
        let planned =
            attempt.plan.parameters.iter().all(|(name, value)| report.parameters.get(name) == Some(value));
        if !started || !planned {
            return Heard::nothing(Reason::NotThePlan(attempt.number));
        }
        // Whoever was asked has answered. Else somebody has run it without being asked, and the request is withdrawn.
        let asks = self.approval.as_ref().map(|approval| approval.execution.as_ref());
        if asks.is_some_and(|request| {
            report.request.is_some() && (request.is_none() || request == report.request.as_ref())
        }) {
            self.approval = None;
        }
        let attempt = Attempt { execution: Some(report.execution.clone()), ..attempt };
        let contradiction =
            self.violated().find(|(_, record)| record.at > report.ended_at).map(|(cause, _)| cause.clone());
        let outcome = match (&report.outcome, contradiction) {
            (Outcome::Remediated | Outcome::AlreadyCompliant, Some(cause)) => {
                Outcome::Failed(Reason::Contradicted(cause).to_string())
            }
            (outcome, _) => outcome.clone(),
        };
        let reason = outcome.reason(attempt.number);
        self.finish(attempt, outcome.clone(), report.ended_at, report.changes.clone());
        let how = match outcome {
            Outcome::Remediated => Resolution::Remediated,
            Outcome::AlreadyCompliant => Resolution::AlreadyCompliant,
            Outcome::Failed(_) | Outcome::TimedOut | Outcome::Cancelled | Outcome::HeldBack(_) => {
                return self.try_again(reason, attempts, now);
            }
            Outcome::NotApproved(_) => return self.escalate(vec![reason], now),
        };
        if let Some(changes) = &report.changes {
            self.note(report.ended_at, changes.clone());
        }
        self.resolve(how, report.ended_at, &reason.to_string(), now);
        Heard::new(Consequence::Resolved, [reason])
    }

    /// Takes in what a person says with the OpsItem. It is never argued with: what was seen until then is settled
    /// by it, and only what a cause sees later counts again.
    ///
    /// Each edit of an open OpsItem says that it is not over. That is news only if the OpsItem showed the end before.
    #[must_use]
    pub fn hear_person(&mut self, word: &PersonsWord, now: Timestamp) -> Heard {
        if word.incident != self.id {
            return Heard::nothing(Reason::UnknownIncident(word.incident.clone()));
        }
        if self.ops_item.as_ref() != Some(&word.ops_item) {
            return Heard::nothing(Reason::OtherOpsItem(word.ops_item.clone()));
        }
        match word.state {
            CauseState::Clear if !self.state.is_over() => self.closed_by_person(word, now),
            CauseState::Violated if self.showed_the_end_before(word.at) => self.reopened_by_person(word, now),
            CauseState::Clear | CauseState::Violated => Heard::nothing(Reason::AlreadyKnown),
        }
    }

    fn showed_the_end_before(&self, moment: Timestamp) -> bool {
        let State::Resolved { at, .. } = self.state else { return false };
        let since = match self.ops_item_shows {
            Some(Shown { status: OpsItemStatus::Resolved, at }) => Some(at),
            Some(Shown { status: OpsItemStatus::Open | OpsItemStatus::InProgress, .. }) => None,
            None => Some(at),
        };
        since.is_some_and(|since| moment > since)
    }

    fn reopened_by_person(&mut self, word: &PersonsWord, now: Timestamp) -> Heard {
        self.causes.insert(Cause::Person, CauseRecord { state: CauseState::Violated, at: word.at });
        self.state = State::Reopened;
        self.show(OpsItemStatus::Open, word.at);
        self.note(now, format!("{}: {}", Change::Reopened.sentence(), word.sentence()));
        self.announce(Change::Reopened);
        Heard::new(Consequence::Escalated, [Reason::PersonReopened(word.by.clone())])
    }

    /// A person has set the status. Where Mend has set it since, or may have, it has to be set anew.
    fn show(&mut self, status: OpsItemStatus, at: Timestamp) {
        let was_before = |shown: &Shown| shown.at.plus(CLOCK_DIFFERENCE) < at;
        self.ops_item_shows = self.ops_item_shows.filter(was_before).map(|_| Shown { status, at });
    }

    fn closed_by_person(&mut self, word: &PersonsWord, now: Timestamp) -> Heard {
        let closed = CauseRecord { state: CauseState::Clear, at: word.at };
        for record in self.causes.values_mut().filter(|record| record.at <= word.at) {
            *record = closed;
        }
        self.causes.insert(Cause::Person, closed);
        self.show(OpsItemStatus::Resolved, word.at);
        let mut reasons = vec![Reason::PersonClosed(word.by.clone())];
        let remaining: Vec<_> = self.violated().map(|(cause, _)| cause.clone()).collect();
        if !remaining.is_empty() {
            reasons.push(Reason::CausesRemain(remaining));
        } else if let State::Remediating(attempt) = &self.state {
            reasons.push(Reason::AttemptRuns(attempt.number));
        } else {
            if matches!(self.state, State::AwaitingApproval(_)) {
                reasons.push(Reason::RequestWithdrawn);
            }
            self.note(now, word.sentence());
            self.resolve_cleared(now);
            return Heard::new(Consequence::Resolved, reasons);
        }
        self.tell(now, word.sentence());
        Heard::new(Consequence::Nothing, reasons)
    }

    /// Takes in that the attempt's execution, or the one that asks for its approval, could not be started at all.
    #[must_use]
    pub fn could_not_start(&mut self, why: &str, attempts: u8, now: Timestamp) -> Heard {
        self.end_before_its_start(Outcome::failed(why), attempts, now)
    }

    /// Gives up a start, or a request for approval, that was not allowed to happen: it is decided again.
    #[must_use]
    pub fn give_up(&mut self, why: &str, attempts: u8, now: Timestamp) -> Heard {
        self.end_before_its_start(Outcome::held_back(why), attempts, now)
    }

    fn end_before_its_start(&mut self, outcome: Outcome, attempts: u8, now: Timestamp) -> Heard {
        let Some(attempt) = self.current_attempt().cloned() else {
            return Heard::nothing(Reason::AlreadyKnown);
        };
        let reason = outcome.reason(attempt.number);
        self.finish(attempt, outcome, now, None);
        self.try_again(reason, attempts, now)
    }

    fn finish(&mut self, attempt: Attempt, outcome: Outcome, ended_at: Timestamp, changes: Option<String>) {
        self.withdraw();
        if outcome.is_failure() {
            self.put(Effect::Breaker);
        }
        self.finished.push(FinishedAttempt { attempt, outcome, ended_at, changes });
    }

    fn try_again(&mut self, failure: Reason, attempts: u8, now: Timestamp) -> Heard {
        self.note(now, capitalised(&failure.to_string()));
        if !self.is_violated() {
            self.resolve_cleared(now);
            return Heard::new(Consequence::Resolved, [failure]);
        }
        self.state = State::Open;
        let count =
            |is: fn(&Outcome) -> bool| self.finished.iter().filter(|finished| is(&finished.outcome)).count();
        let (counted, interrupted) = (count(Outcome::counts), count(Outcome::is_interrupted));
        if interrupted >= INTERRUPTED {
            return self.escalate(vec![failure, Reason::Interrupted(interrupted)], now);
        }
        if counted < usize::from(attempts) {
            let next = Reason::NextAttempt(self.next_attempt());
            return Heard::new(Consequence::Undecided, [failure, next]);
        }
        let exhausted = Reason::AttemptsExhausted(counted);
        self.escalate(vec![failure, exhausted], now)
    }

    /// Calls a person, for the last of the reasons.
    fn escalate(&mut self, reasons: Vec<Reason>, now: Timestamp) -> Heard {
        self.state = State::Escalated;
        self.severity = self.severity.raised();
        let why = reasons.last().map(ToString::to_string).unwrap_or_default();
        self.note(now, format!("{}: {why}", Change::Escalated.sentence()));
        self.announce(Change::Escalated);
        Heard::new(Consequence::Escalated, reasons)
    }

    fn is_violated_by(&self, cause: &Cause) -> bool {
        self.causes.get(cause).is_some_and(|record| record.state == CauseState::Violated)
    }

    /// Every cause has cleared. A cause that complains again has looked again, so the oldest word counts.
    fn resolve_cleared(&mut self, now: Timestamp) {
        let proved_at = self.causes.values().map(|record| record.at).min().unwrap_or(now);
        let closed_by_person = self
            .causes
            .get(&Cause::Person)
            .is_some_and(|person| self.causes.values().all(|record| record.at <= person.at));
        let (how, why) = if closed_by_person {
            (Resolution::ByPerson, "a person says so")
        } else {
            (Resolution::Cleared, "no cause reports a violation any more")
        };
        self.resolve(how, proved_at, why, now);
    }

    fn resolve(&mut self, how: Resolution, proved_at: Timestamp, why: &str, now: Timestamp) {
        if let State::AwaitingApproval(attempt) = &self.state
            && self.finished.iter().all(|finished| finished.attempt.number != attempt.number)
        {
            // Its number, and with it the key of its request, does not come again.
            let (attempt, outcome) = (attempt.clone(), Outcome::not_approved("the request was withdrawn"));
            self.finished.push(FinishedAttempt { attempt, outcome, ended_at: now, changes: None });
        }
        self.state = State::Resolved { at: now, proved_at, how };
        self.withdraw();
        self.note(now, format!("{}: {why}", Change::Resolved.sentence()));
        self.announce(Change::Resolved);
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
