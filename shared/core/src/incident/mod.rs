//! The incident: one problem on one resource, from the first signal to the proved repair.
//!
//! A state machine without I/O. [`Incident::hear`] takes what a cause says, [`Incident::hear_outcome`] and
//! [`Incident::hear_person`] what an attempt and a person say, [`Incident::take`] what was decided; all leave
//! in the outbox what has to happen outside. Invariants: a cause moves only forward in its own time; one
//! attempt at a time; an incident is resolved by proof, by its last cause or by a person, never by hope.

mod hear;
mod outbox;

use std::collections::BTreeMap;
use std::time::Duration;

pub use hear::{Consequence, Heard};
pub use outbox::{Change, Effect, Occasion};

use crate::account::PrincipalArn;
use crate::automation::{AlarmName, DocumentVersion, ExecutionId, OpsItemId, ParameterName, RoleArn, RunbookName};
use crate::decision::Reason;
use crate::gathering::{GatheringId, Member};
use crate::guard::{Course, FLAPPING, Flapping};
use crate::identity::{AttemptNumber, IncidentId, effect_key, whole_digest};
use crate::policy::{Problem, RouteName, Severity};
use crate::report::{OpsItemStatus, state_name};
use crate::resource::Resource;
use crate::signal::{Cause, CauseState, Freshness};
use crate::time::Timestamp;

/// What a cause said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseRecord {
    /// Wrong or right.
    pub state: CauseState,
    /// As of when, by the cause's own clock.
    pub at: Timestamp,
}

/// What will be started, in every detail: it is replayed verbatim, however often the start has to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The runbook.
    pub runbook: RunbookName,
    /// Its version.
    pub version: DocumentVersion,
    /// The role that it assumes.
    pub role: RoleArn,
    /// Its own parameters; incident, attempt and role are added when it starts.
    pub parameters: BTreeMap<ParameterName, String>,
    /// The alarm that stops the execution.
    pub alarm: Option<AlarmName>,
}

impl Plan {
    /// What a person approves is this, and nothing that only looks like it: a SHA-256 over all of it, in
    /// hexadecimal digits.
    #[must_use]
    pub fn hash(&self) -> String {
        let own = self.parameters.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let parts: Vec<_> =
            [self.runbook.as_str(), self.version.as_str(), self.role.as_str()].into_iter().chain(own).collect();
        whole_digest(&parts)
    }
}

/// One start of a runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The how-manieth.
    pub number: AttemptNumber,
    /// Of what.
    pub plan: Plan,
    /// When it was decided.
    pub planned_at: Timestamp,
    /// The execution, as soon as its id is known.
    pub execution: Option<ExecutionId>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Repaired, and read back.
    Remediated,
    /// There was nothing to repair.
    AlreadyCompliant,
    /// Not repaired, and why.
    Failed(String),
    /// Took too long.
    TimedOut,
    /// Stopped before its end, by a person or by the kill switch.
    Cancelled,
    /// A person said no, nobody answered in time, or nobody could be asked: nothing was started.
    NotApproved(String),
    /// A guard rail closed before it could begin: nothing was started.
    HeldBack(String),
}

impl Outcome {
    /// A failure, in one line and not too many words of whoever reports it.
    #[must_use]
    pub fn failed(why: &str) -> Self {
        Self::Failed(one_line(why))
    }

    /// A no, likewise.
    #[must_use]
    pub fn not_approved(why: &str) -> Self {
        Self::NotApproved(one_line(why))
    }

    /// A guard rail's reason, likewise.
    #[must_use]
    pub fn held_back(why: &str) -> Self {
        Self::HeldBack(one_line(why))
    }

    /// Whether it says that the route's repairs do not work.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Failed(_) | Self::TimedOut => true,
            Self::Remediated
            | Self::AlreadyCompliant
            | Self::Cancelled
            | Self::NotApproved(_)
            | Self::HeldBack(_) => false,
        }
    }

    /// Whether somebody or something stopped it that may let it go on.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        match self {
            Self::Cancelled | Self::HeldBack(_) => true,
            Self::Remediated
            | Self::AlreadyCompliant
            | Self::Failed(_)
            | Self::TimedOut
            | Self::NotApproved(_) => false,
        }
    }

    /// Whether the attempt counts, among those that the route allows and for the circuit breaker: somebody or
    /// something else ended the others.
    #[must_use]
    pub const fn counts(&self) -> bool {
        match self {
            Self::Remediated | Self::AlreadyCompliant | Self::Failed(_) | Self::TimedOut => true,
            Self::Cancelled | Self::NotApproved(_) | Self::HeldBack(_) => false,
        }
    }
}

fn one_line(why: &str) -> String {
    const LONGEST: usize = 300;
    let words: Vec<_> = why.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= LONGEST { line } else { line.chars().take(LONGEST).chain(['…']).collect() }
}

/// An attempt that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedAttempt {
    /// Which.
    pub attempt: Attempt,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// What it changed, in the runbook's words.
    pub changes: Option<String>,
}

/// What an execution says about the attempt that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptReport {
    /// The incident, from the execution's own parameters.
    pub incident: IncidentId,
    /// The attempt, likewise.
    pub attempt: AttemptNumber,
    /// The document that ran.
    pub runbook: RunbookName,
    /// The execution.
    pub execution: ExecutionId,
    /// The execution that asked for approval first, if one did.
    pub request: Option<ExecutionId>,
    /// What it ran with.
    pub parameters: BTreeMap<ParameterName, String>,
    /// How it ended.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// What it changed, in the runbook's words.
    pub changes: Option<String>,
    /// What the resource was like before, as JSON: what a restore runbook needs.
    pub before_state: Option<String>,
}

/// That a restore runbook has undone an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoing {
    /// The incident whose repair was undone.
    pub incident: IncidentId,
    /// The execution that undid it.
    pub execution: ExecutionId,
    /// What it did, in the runbook's words.
    pub changes: Option<String>,
    /// The parameter that exempts the resource since, if there is one.
    pub exemption: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The request for approval of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Of which attempt.
    pub attempt: AttemptNumber,
    /// Since when people are asked; where the execution is not known, not later than that.
    pub asked_at: Timestamp,
    /// The execution that asks, as soon as its id is known.
    pub execution: Option<ExecutionId>,
    /// Whether people have been reminded.
    pub is_reminded: bool,
}

impl Approval {
    /// A request waits so long for an answer, as `Mend-ApproveAndRun` says.
    pub const PATIENCE: Duration = Duration::from_hours(24);
}

/// What a person says by setting the OpsItem's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonsWord {
    /// The incident, from the OpsItem's own data.
    pub incident: IncidentId,
    /// The OpsItem.
    pub ops_item: OpsItemId,
    /// Clear if it was resolved, violated if it was opened again.
    pub state: CauseState,
    /// Who it was, if that is known.
    pub by: Option<PrincipalArn>,
    /// When.
    pub at: Timestamp,
}

impl PersonsWord {
    /// `arn:aws:iam::111122223333:user/lee resolved the OpsItem`
    fn sentence(&self) -> String {
        let by = self.by.as_ref().map_or("A person", PrincipalArn::as_str);
        match self.state {
            CauseState::Clear => format!("{by} resolved the OpsItem"),
            CauseState::Violated => format!("{by} reopened the OpsItem"),
        }
    }
}

/// A status of the OpsItem, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// As Mend has set it, or a person since. `Open` stands for `InProgress`, too, where a person has set that.
    pub status: OpsItemStatus,
    /// Since when.
    pub at: Timestamp,
}

/// How an incident came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The runbook repaired it and proved it.
    Remediated,
    /// The runbook found nothing to repair.
    AlreadyCompliant,
    /// The last cause cleared, whoever repaired it.
    Cleared,
    /// A person resolved the OpsItem.
    ByPerson,
}

/// Where an incident stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is decided yet.
    Open,
    /// The answer is planned and nothing is changed.
    Observed(Plan),
    /// Operators do not want an answer.
    Suppressed,
    /// A guard rail says not now.
    Deferred {
        /// When it is due, by what is known.
        until: Timestamp,
        /// Whether a budget is what it waits for.
        by_budget: bool,
    },
    /// The attempt may begin when a person says so.
    AwaitingApproval(Attempt),
    /// The attempt is under way.
    Remediating(Attempt),
    /// Mend cannot repair it: a person has to look.
    Escalated,
    /// A person says that it is not over, and has it in hand.
    Reopened,
    /// It is over.
    Resolved {
        /// Since when.
        at: Timestamp,
        /// Until when it is known to be right: only what a cause saw later opens it again.
        proved_at: Timestamp,
        /// How.
        how: Resolution,
    },
}

impl State {
    /// Whether the problem is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Resolved { .. } => true,
            Self::Open
            | Self::Observed(_)
            | Self::Suppressed
            | Self::Deferred { .. }
            | Self::AwaitingApproval(_)
            | Self::Remediating(_)
            | Self::Escalated
            | Self::Reopened => false,
        }
    }
}

/// A sentence of an incident's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub text: String,
}

/// One problem on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Fingerprint and generation.
    pub id: IncidentId,
    /// The resource.
    pub resource: Resource,
    /// What is wrong with it.
    pub problem: Problem,
    /// The route that answers.
    pub route: RouteName,
    /// How bad it is; raised when it is escalated.
    pub severity: Severity,
    /// When this generation began.
    pub opened_at: Timestamp,
    /// When the earlier generations of the last day began, the oldest first. One that had found nothing to repair
    /// does not count.
    pub earlier: Vec<Timestamp>,
    /// Who changed the resource last, if an event has told.
    pub changed_by: Option<PrincipalArn>,
    /// The freshest of the events that speak of it.
    pub evidence: Freshness,
    /// Who complains, or has complained.
    pub causes: BTreeMap<Cause, CauseRecord>,
    /// Where it stands.
    pub state: State,
    /// The attempts that are over.
    pub finished: Vec<FinishedAttempt>,
    /// How many changes others have been told about, or are to be.
    pub occasions: u32,
    /// Whether people have been told about any, or are to be.
    pub people_know: bool,
    /// What has to happen outside the ledger, in this order.
    pub outbox: Vec<Effect>,
    /// The request for approval that is open, or will be.
    pub approval: Option<Approval>,
    /// Requests whose answer matters no more.
    pub withdrawn: Vec<Approval>,
    /// The gathering whose OpsItem stands for it; none if it has one of its own, or will have.
    pub gathering: Option<GatheringId>,
    /// Its OpsItem.
    pub ops_item: Option<OpsItemId>,
    /// What its status is believed to be; nothing when that is not known. It is set when Mend's view of it changes,
    /// and else left as people have it.
    pub ops_item_shows: Option<Shown>,
    /// Its story, the newest last.
    pub notes: Vec<Note>,
}

/// How the sentence begins that says what has undone a repair.
const UNDONE: &str = "Undone by execution";
/// So many sentences of the story are kept: they have to fit into one OpsItem field of 20 KB.
const NOTES: usize = 40;

impl Incident {
    /// The attempt that is under way.
    #[must_use]
    pub const fn running(&self) -> Option<&Attempt> {
        match &self.state {
            State::Remediating(attempt) => Some(attempt),
            State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred { .. }
            | State::AwaitingApproval(_)
            | State::Escalated
            | State::Reopened
            | State::Resolved { .. } => None,
        }
    }

    /// The attempt that is under way, or waits for approval.
    #[must_use]
    pub const fn current_attempt(&self) -> Option<&Attempt> {
        match &self.state {
            State::Remediating(attempt) | State::AwaitingApproval(attempt) => Some(attempt),
            State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred { .. }
            | State::Escalated
            | State::Reopened
            | State::Resolved { .. } => None,
        }
    }

    /// The attempt that a reader would look at: the current one, else the last.
    #[must_use]
    pub fn latest_attempt(&self) -> Option<&Attempt> {
        self.current_attempt().or_else(|| self.finished.last().map(|finished| &finished.attempt))
    }

    /// The execution of the latest attempt, if its id is known.
    #[must_use]
    pub fn latest_execution(&self) -> Option<&ExecutionId> {
        self.latest_attempt().and_then(|attempt| attempt.execution.as_ref())
    }

    /// The number that the next attempt gets.
    #[must_use]
    pub fn next_attempt(&self) -> AttemptNumber {
        self.finished.last().map_or(AttemptNumber::FIRST, |finished| finished.attempt.number.next())
    }

    /// The `ClientToken` of an attempt: Automation starts one execution for it, however often it is asked.
    #[must_use]
    pub fn client_token(&self, attempt: AttemptNumber) -> String {
        effect_key(&self.id, self.opened_at, &format!("attempt/{attempt}")).to_string()
    }

    /// The `ClientToken` of the request for approval of an attempt.
    #[must_use]
    pub fn request_token(&self, attempt: AttemptNumber) -> String {
        effect_key(&self.id, self.opened_at, &format!("approval/{attempt}")).to_string()
    }

    /// OpsCenter makes one OpsItem for it, while that is not resolved.
    #[must_use]
    pub fn dedup_string(&self) -> String {
        format!("mend/{}/{}", self.id, self.opened_at.milliseconds())
    }

    /// Adds a sentence to the story.
    pub fn note(&mut self, at: Timestamp, text: impl Into<String>) {
        if self.notes.len() == NOTES {
            self.notes.remove(1);
        }
        self.notes.push(Note { at, text: text.into() });
    }

    /// Takes the course that was decided for an open problem. Deciding the same again changes nothing.
    pub fn take(&mut self, course: Course, reasons: &[Reason], now: Timestamp) {
        let (state, change) = match course {
            Course::Start(plan, _) => (State::Remediating(self.attempt(plan, now)), Change::Responding),
            Course::Ask(plan, _) => (State::AwaitingApproval(self.attempt(plan, now)), Change::AwaitingApproval),
            Course::Record(plan) => (State::Observed(plan), Change::Observed),
            Course::Wait(until) => {
                let by_budget = reasons.iter().any(|reason| matches!(reason, Reason::BudgetSpent(_)));
                (State::Deferred { until, by_budget }, Change::Deferred)
            }
            Course::Leave => (State::Suppressed, Change::Suppressed),
            Course::Escalate => (State::Escalated, Change::Escalated),
        };
        if !self.is_undecided() {
            return;
        }
        let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let sentence = format!("{}: {}", change.sentence(), why.join("; "));
        let stays = std::mem::discriminant(&state) == std::mem::discriminant(&self.state);
        let says_the_same = self.why(change) == Some(&sentence);
        match (&self.state, &state) {
            // What waits for the same reason is due when it was, until that has passed.
            (State::Deferred { until, .. }, State::Deferred { .. }) if says_the_same && *until > now => {}
            _ => self.state = state,
        }
        match &self.state {
            State::AwaitingApproval(Attempt { number, .. }) => {
                let attempt = *number;
                self.approval = Some(Approval { attempt, asked_at: now, execution: None, is_reminded: false });
            }
            State::Escalated => self.severity = self.severity.raised(),
            State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred { .. }
            | State::Remediating(_)
            | State::Reopened
            | State::Resolved { .. } => {}
        }
        if !stays {
            self.note(now, sentence);
            self.announce(change);
        } else if !says_the_same {
            self.tell(now, sentence);
        }
    }

    /// How often the problem came in a day, if that is too often.
    #[must_use]
    pub fn flapping(&self) -> Option<Flapping> {
        let times = self.earlier.len() + 1;
        (times >= FLAPPING).then(|| Flapping { times, by: self.changed_by.clone() })
    }

    /// Lets a gathering stand for the incident, before people hear of it.
    pub fn join(&mut self, gathering: GatheringId) {
        self.gathering = Some(gathering);
        let is_left_to_it = |effect: &Effect| matches!(effect, Effect::Notification(occasion) if occasion.change != Change::Escalated);
        self.outbox.retain(|effect| !is_left_to_it(effect));
    }

    /// The incident as its gathering shows it.
    #[must_use]
    pub fn member(&self, now: Timestamp) -> Member {
        Member {
            incident: self.id.clone(),
            resource: self.resource.clone(),
            state: state_name(&self.state).to_owned(),
            at: now,
        }
    }

    /// Takes down that people are being asked. The id may be unknown: the outcome tells.
    pub fn asked(&mut self, execution: Option<ExecutionId>, now: Timestamp) {
        if let Some(approval) = &mut self.approval {
            if execution.is_some() {
                approval.asked_at = now;
            }
            approval.execution = execution;
            self.put_in_front(Effect::OpsItem);
        }
    }

    /// Reminds people of a request that has waited for half of its time.
    pub fn remind(&mut self, now: Timestamp) {
        if !self.is_to_be_reminded(now) {
            return;
        }
        if let Some(approval) = &mut self.approval {
            approval.is_reminded = true;
            let ends = approval.asked_at.plus(Approval::PATIENCE);
            self.note(
                now,
                format!(
                    "{}: nobody has answered yet, and the request ends at {ends}",
                    Change::Reminded.sentence()
                ),
            );
            self.announce(Change::Reminded);
        }
    }

    /// Whether people are to be reminded of a request.
    #[must_use]
    pub fn is_to_be_reminded(&self, now: Timestamp) -> bool {
        let half_is_over =
            |approval: &Approval| !approval.is_reminded && now.since(approval.asked_at) >= Approval::PATIENCE / 2;
        matches!(self.state, State::AwaitingApproval(_))
            && !self.outbox.contains(&Effect::RequestApproval)
            && self.approval.as_ref().is_some_and(half_is_over)
    }

    /// Takes down that a restore runbook has undone a repair.
    pub fn undone(&mut self, undoing: &Undoing) -> Reason {
        if undoing.incident != self.id {
            return Reason::UnknownIncident(undoing.incident.clone());
        }
        let exempted = || {
            let exemption = undoing.exemption.as_deref()?;
            Some(format!("the parameter {exemption} exempts the resource"))
        };
        // The runbook's own words speak of the exemption, too.
        let what = undoing.changes.clone().or_else(exempted);
        let what = what.map_or_else(String::new, |what| format!(": {}", what.trim_end_matches('.')));
        self.tell(undoing.at, format!("{UNDONE} {}{what}", undoing.execution));
        Reason::Undone(undoing.execution.clone())
    }

    /// Whether what to do about the problem can be decided, or decided again.
    #[must_use]
    pub const fn is_undecided(&self) -> bool {
        match self.state {
            State::Open | State::Observed(_) | State::Suppressed | State::Deferred { .. } => true,
            State::AwaitingApproval(_)
            | State::Remediating(_)
            | State::Escalated
            | State::Reopened
            | State::Resolved { .. } => false,
        }
    }

    /// The sentence of the story that says why the change came about.
    pub(crate) fn why(&self, change: Change) -> Option<&String> {
        let mut sentences = self.notes.iter().rev().map(|note| &note.text);
        sentences.find(|text| text.starts_with(change.sentence()))
    }

    /// Says why nothing goes on, unless the story says just that already.
    pub fn tell_once(&mut self, now: Timestamp, reasons: &[Reason]) {
        let why: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        let sentence = format!("Held: {}", why.join("; "));
        if self.notes.last().is_none_or(|note| note.text != sentence) {
            self.tell(now, sentence);
        }
    }

    /// The sentence of the story that says what undid the last repair, if anything did.
    pub(crate) fn undoing(&self) -> Option<&String> {
        self.notes.iter().rev().map(|note| &note.text).find(|text| text.starts_with(UNDONE))
    }

    /// Adds a sentence to the story, and to the OpsItem where people look at it.
    pub(crate) fn tell(&mut self, at: Timestamp, text: impl Into<String>) {
        self.note(at, text);
        if self.people_know {
            self.put(Effect::OpsItem);
        }
    }

    fn attempt(&self, plan: Plan, now: Timestamp) -> Attempt {
        Attempt { number: self.next_attempt(), plan, planned_at: now, execution: None }
    }

    /// Takes down that the attempt's execution has been started. The id may be unknown: the outcome tells.
    pub fn started(&mut self, execution: Option<ExecutionId>, now: Timestamp) {
        let State::Remediating(attempt) = &mut self.state else { return };
        let (number, runbook) = (attempt.number, attempt.plan.runbook.clone());
        attempt.execution.clone_from(&execution);
        let id = execution.map_or_else(|| "an execution that was started before".to_owned(), |id| id.to_string());
        self.note(now, format!("Attempt {number} runs {runbook} as {id}"));
        self.put_in_front(Effect::OpsItem);
    }

    /// Who complains or has complained. A person who has only closed the incident has not.
    pub(crate) fn reporters(&self) -> impl Iterator<Item = (&Cause, &CauseRecord)> {
        let closed = (&Cause::Person, CauseState::Clear);
        self.causes.iter().filter(move |(cause, record)| (*cause, record.state) != closed)
    }

    /// Whether a person has closed it and nothing complains since.
    #[must_use]
    pub fn is_closed_by_person(&self) -> bool {
        let closed = |record: &CauseRecord| record.state == CauseState::Clear;
        self.causes.get(&Cause::Person).is_some_and(closed) && !self.is_violated()
    }

    /// Whether anything complains.
    #[must_use]
    pub fn is_violated(&self) -> bool {
        self.violated().next().is_some()
    }

    fn violated(&self) -> impl Iterator<Item = (&Cause, &CauseRecord)> {
        self.causes.iter().filter(|(_, record)| record.state == CauseState::Violated)
    }
}

#[cfg(test)]
pub(crate) mod tests;
