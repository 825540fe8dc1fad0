//! From news to a settled row.
//!
//! 1. Claim the row: the news is in its inbox, and the whole row comes back. Written down first.
//! 2. Take in the inbox, decide, write the result with its outbox in one conditional write.
//! 3. Carry out the outbox, each effect under its key.
//! 4. Settle: write what came of it and give the lease back. If news has come in meanwhile, go on with 2.
//!
//! A crash anywhere leaves a row that the next delivery, or `reconcile`, carries on from: the lease ends
//! before Lambda's first retry of an asynchronous invocation (60 s) comes.

mod breaker;
mod effects;
mod facts;
mod held;
mod intake;

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::automation::{APPROVE_AND_RUN, RoleArn, RoleFamily, RunbookName};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::guard::{Course, Refusal, decide};
use mend_core::identity::Fingerprint;
use mend_core::incident::{Attempt, AttemptReport, Effect, Incident, PersonsWord, State, Undoing};
use mend_core::mode::Mode;
use mend_core::policy::{Policy, Route, Routing};
use mend_core::report::Place;
use mend_core::signal::Signal;
use mend_core::switches::Remark;
use mend_core::time::Timestamp;

use crate::answer::Answer;
use crate::error::ResponseError;
use crate::execution::{self, Ended};
use crate::world::{Claim, Lease, News, Row, World};
use effects::{Carried, Permit, Tried};
use facts::known;
use held::{Held, Stored};
pub(crate) use intake::route_of;
use intake::{Told, take_in};

/// What the stack was deployed with.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Where it is.
    pub place: Place,
    /// Its parameter `Mode`.
    pub default_mode: Mode,
    /// The automation role of each family of runbooks.
    pub roles: BTreeMap<RoleFamily, RoleArn>,
    /// How many attempts of all routes may be under way.
    pub running_in_all: u16,
    /// How many incidents of a route get an OpsItem of their own in an hour.
    pub storm_threshold: u32,
    /// Whether there is anybody to ask for approval.
    pub has_approvers: bool,
    /// The ledger's table, which OpsItems name.
    pub ledger_table: String,
}

/// One invocation of a function.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Lambda's request id.
    pub id: String,
    /// When Lambda stops it.
    pub deadline: Timestamp,
}

/// A lease outlives its invocation by so much, for clocks that differ.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// No effect begins when less time is left. A call that takes longer is cut off by Lambda, and carried out again
/// by the retry, under the same key.
const RESERVE: Duration = Duration::from_secs(3);
/// An execution and its event have so much time to show.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// A start that has waited so long is given up.
const GIVEN_UP: Duration = Duration::from_hours(24);
/// A start waits so long for its turn. What is read of the switches is 20 seconds old at most, and an engaged kill
/// switch has to hold within 30.
const TURN: Duration = Duration::from_secs(8);
/// A start happens so soon after it was decided, or is asked about again.
const GOOD: Duration = Duration::from_secs(10);
/// Nothing is waited for when less time is left: the effects take theirs.
const EFFECTS: Duration = Duration::from_secs(15);
/// A row that changes under so many writes is left to the next try.
const ROUNDS: usize = 10;

/// Whether a start that waits may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It may.
    Given,
    /// Not now.
    Held,
    /// It has waited too long, and the attempt is over.
    GivenUp,
}

/// What would come of deciding again.
#[derive(Debug, Default)]
pub(crate) struct Reconsidered {
    /// Whether it would be anything else.
    pub(crate) changes: bool,
    /// What people should hear about the exemption in the resource's tags.
    pub(crate) remark: Option<Remark>,
}

/// Carries incidents, for one invocation.
#[derive(Debug)]
pub struct Responder<'a, W> {
    pub(crate) world: &'a W,
    pub(crate) policy: &'a Policy,
    pub(crate) stack: &'a Stack,
    pub(crate) invocation: &'a Invocation,
}

impl<'a, W: World> Responder<'a, W> {
    /// A responder for one invocation.
    pub const fn new(world: &'a W, policy: &'a Policy, stack: &'a Stack, invocation: &'a Invocation) -> Self {
        Self { world, policy, stack, invocation }
    }

    /// Answers a signal.
    pub async fn signal(&self, signal: Signal) -> Result<Answer, ResponseError> {
        let route = match self.policy.routing(&signal) {
            Routing::To(route) => route,
            Routing::OtherResourceType(_) => return Ok(ignore(Reason::OtherResourceType(signal.cause), None)),
            Routing::Nowhere => return Ok(ignore(Reason::NoRoute(signal.cause), None)),
        };
        let fingerprint = Fingerprint::of(&signal.resource, &route.problem);
        self.hear(&fingerprint, News::Signal(signal)).await
    }

    /// Answers the end of an attempt.
    pub async fn outcome(&self, report: AttemptReport) -> Result<Answer, ResponseError> {
        let fingerprint = report.incident.fingerprint.clone();
        self.hear(&fingerprint, News::Outcome(report)).await
    }

    /// Answers what a person says with an OpsItem.
    pub async fn person(&self, word: PersonsWord) -> Result<Answer, ResponseError> {
        let fingerprint = word.incident.fingerprint.clone();
        self.hear(&fingerprint, News::Person(word)).await
    }

    /// Answers that a repair has been undone.
    pub async fn undoing(&self, undoing: Undoing) -> Result<Answer, ResponseError> {
        let fingerprint = undoing.incident.fingerprint.clone();
        self.hear(&fingerprint, News::Undoing(undoing)).await
    }

    /// Answers what an execution of Mend's runbooks was.
    pub async fn ended(&self, ended: Ended) -> Result<Answer, ResponseError> {
        match ended {
            Ended::Attempt(report) => {
                self.hear_child(&report).await?;
                self.outcome(report).await
            }
            Ended::Undoing(undoing) => self.undoing(undoing).await,
        }
    }

    /// A child tells of itself what its parent does not know: what it found before its change. Its event may be lost.
    async fn hear_child(&self, report: &AttemptReport) -> Result<(), ResponseError> {
        // A request that ran nothing is its own execution.
        if report.runbook != APPROVE_AND_RUN || report.request.as_ref() == Some(&report.execution) {
            return Ok(());
        }
        let child = known(self.world.execution(&report.execution).await)?.flatten();
        let said = child.map(|child| execution::report(&report.execution, &child, self.world.now()));
        if let Some(Ok(Ended::Attempt(child))) = said {
            self.outcome(child).await?;
        }
        Ok(())
    }

    /// Carries on what is left in an incident's row, and decides again what may be decided. `None`: somebody else
    /// does, or there is no such incident.
    pub async fn resume(&self, fingerprint: &Fingerprint) -> Result<Option<Answer>, ResponseError> {
        let now = self.world.now();
        let lease = self.lease(now);
        match self.world.resume(fingerprint, &lease, now).await.map_err(ResponseError::Ledger)? {
            Claim::Mine(row) => self.carry(self.hold(fingerprint, lease, row), true).await.map(Some),
            Claim::Busy(_) | Claim::Known(_) | Claim::Nothing => Ok(None),
        }
    }

    /// Decides again about an open problem, and leaves it at that: what would come of it, as far as is known of what
    /// the ledger would refuse.
    pub(crate) async fn reconsider(
        &self,
        incident: &Incident,
        refusal: Option<Refusal>,
    ) -> Result<Reconsidered, ResponseError> {
        let Some(route) = route_of(incident, self.policy).filter(|_| incident.is_undecided()) else {
            return Ok(Reconsidered::default());
        };
        let facts = self.facts(incident, route, refusal).await?;
        let remark = facts.tags.remark(facts.now);
        let (course, reasons) = decide(route, incident, facts);
        let mut decided = incident.clone();
        decided.take(course, &reasons, self.world.now());
        Ok(Reconsidered { changes: decided != *incident, remark })
    }

    fn hold<'f>(&self, fingerprint: &'f Fingerprint, lease: Lease, row: Row) -> Held<'f, W>
    where
        'a: 'f,
    {
        Held::new(self.world, fingerprint, lease, row, self.stack.storm_threshold)
    }

    /// A lease for this invocation, that nobody else's can be mistaken for.
    pub(crate) fn lease(&self, now: Timestamp) -> Lease {
        Lease {
            holder: format!("{}/{}", self.invocation.id, now.milliseconds()),
            until: self.invocation.deadline.plus(LEASE_MARGIN),
        }
    }

    /// Claims the incident's row for the news, or leaves the news with whoever holds it.
    async fn hear(&self, fingerprint: &Fingerprint, news: News) -> Result<Answer, ResponseError> {
        for _ in 0..ROUNDS {
            let now = self.world.now();
            let lease = self.lease(now);
            let claim = self.world.claim(fingerprint, &news, &lease, now).await.map_err(ResponseError::Ledger)?;
            let busy = match claim {
                Claim::Mine(row) => {
                    return self.carry(self.hold(fingerprint, lease, row), false).await;
                }
                Claim::Known(row) => return Ok(ignore(Reason::AlreadyKnown, row.incident.as_ref())),
                Claim::Nothing => return Ok(ignore(nobody_listens(news), None)),
                Claim::Busy(row) if self.holds(&row) => {
                    return Err(ResponseError::EarlierTry { fingerprint: fingerprint.to_string() });
                }
                Claim::Busy(row) if row.knows(&news) => {
                    return Ok(ignore(Reason::AlreadyKnown, row.incident.as_ref()));
                }
                Claim::Busy(row) => row,
            };
            if self.leave(fingerprint, &news, &busy, now).await? {
                return Ok(ignore(Reason::HeldElsewhere, busy.incident.as_ref()));
            }
        }
        Err(ResponseError::Contention)
    }

    /// Whether a try of this very invocation holds the row. Lambda's retries keep the request id.
    fn holds(&self, row: &Row) -> bool {
        let holder = row.lease.as_ref().and_then(|lease| lease.holder.split_once('/'));
        holder.is_some_and(|(id, _)| id == self.invocation.id)
    }

    /// Leaves news with the holder of a busy row. `false`: it is no longer held.
    async fn leave(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        busy: &Row,
        now: Timestamp,
    ) -> Result<bool, ResponseError> {
        match &busy.lease {
            Some(lease) => {
                self.world.append(fingerprint, news, &lease.holder, now).await.map_err(ResponseError::Ledger)
            }
            None => Ok(false),
        }
    }

    /// Carries a claimed row until it is settled, or gives it back. `resumes`: without news, what is undecided is
    /// decided again.
    async fn carry(&self, mut held: Held<'_, W>, resumes: bool) -> Result<Answer, ResponseError> {
        // On the heap: the future is large, and every handler would carry it along.
        let answer = Box::pin(self.carry_on(&mut held, resumes)).await;
        // Who has failed before the row was settled must not keep others from it.
        if matches!(answer, Err(ResponseError::Facts(_) | ResponseError::Contention)) {
            held.abandon().await;
        }
        answer
    }

    async fn carry_on(&self, held: &mut Held<'_, W>, resumes: bool) -> Result<Answer, ResponseError> {
        let mut told = Told::new();
        // Whoever left it undone may have done it, and not written that down.
        let mut tried = Tried(false);
        if let Some(incident) = held.row.incident.as_mut().filter(|incident| !incident.outbox.is_empty()) {
            told.because(Reason::Resumed);
            tried = Tried(incident.outbox.contains(&Effect::OpsItem));
            // A start that may have happened may have changed the OpsItem, too.
            let starts = [Effect::Runbook, Effect::RequestApproval];
            if tried.0 || starts.iter().any(|start| incident.outbox.contains(start)) {
                incident.ops_item_shows = None;
            }
        }
        if let Some(incident) = held.row.incident.as_mut().filter(|_| resumes) {
            incident.remind(self.world.now());
        }
        let mut undecided = resumes && held.row.incident.as_ref().is_some_and(Incident::is_undecided);
        for _ in 0..ROUNDS {
            let intake = take_in(&mut held.row, self.policy, self.world.now());
            told.heard(&intake.heard);
            undecided = intake.undecided().unwrap_or(undecided);
            held.keep(intake.before_states);
            held.history = intake.history.or_else(|| held.history.take());

            let mut left = None;
            let decided_at = self.world.now();
            if let Some((incident, route)) = self.routed(&held.row) {
                let decided = undecided || incident.state == State::Open;
                let stored = if decided {
                    if !self.count_failure(held, route).await? {
                        undecided = true;
                        continue;
                    }
                    let incident = held.row.incident.clone().unwrap_or(incident);
                    self.decide(held, incident, route, &mut told).await?
                } else if held.changed() {
                    held.store().await?
                } else {
                    Stored::Yes
                };
                if !matches!(stored, Stored::Yes) {
                    continue;
                }
                undecided = false;
                let start_at = held.start_at;
                if let Some(incident) = &mut held.row.incident {
                    let leave = if decided {
                        Leave::Given
                    } else {
                        self.ask_leave(incident, route, resumes, &mut told).await?
                    };
                    if leave == Leave::GivenUp {
                        continue;
                    }
                    let permit = Permit { starts: leave == Leave::Given, until: decided_at.plus(GOOD), start_at };
                    match self.carry_out(incident, route, permit, &mut tried).await {
                        Carried::Out | Carried::AsFarAsItMay => {}
                        Carried::NotStarted | Carried::TooLate => continue,
                        Carried::Left(why) => left = Some(why),
                    }
                }
            }
            if left.is_none() && !held.row.inbox.is_empty() && self.routed(&held.row).is_some() {
                // The generation that has ended has told of its end: now the next may begin.
                continue;
            }
            if held.settle().await? {
                let incident = held.row.incident.as_ref();
                return match (left, incident) {
                    (Some(left), Some(incident)) => Err(left.into_error(incident)),
                    _ => Ok(answer(told.into_decision(), incident)),
                };
            }
        }
        Err(ResponseError::Contention)
    }

    /// Whether a start or a request that was decided earlier, and waits in the outbox, may still happen: the same
    /// guard rails are asked again. It is not withdrawn at once, because it may have happened, its answer lost.
    /// `reconcile` gives it up when nothing complains any more, or after a day, if it finds no execution of it.
    async fn ask_leave(
        &self,
        incident: &mut Incident,
        route: &Route,
        resumes: bool,
        told: &mut Told,
    ) -> Result<Leave, ResponseError> {
        let Some((attempt, document)) = waiting(incident) else { return Ok(Leave::Given) };
        let (patience, why, mut reasons) = if incident.is_violated() {
            let facts = self.facts(incident, route, None).await?;
            let (course, reasons) = decide(route, incident, facts);
            if matches!(course, Course::Start(..))
                || matches!(course, Course::Ask(..)) && document == APPROVE_AND_RUN
            {
                return Ok(Leave::Given);
            }
            (GIVEN_UP, "it was not allowed to begin for a day", reasons)
        } else {
            (PATIENCE, "nothing complains any more", vec![Reason::NothingComplains])
        };
        let now = self.world.now();
        if resumes && now.since(attempt.planned_at) > patience {
            let (id, since) = (&incident.id, attempt.planned_at);
            let found = self.world.find_execution(&document, id, attempt.number, since).await;
            match known(found)? {
                Some(Some(execution)) if document == APPROVE_AND_RUN => {
                    incident.asked(Some(execution), now);
                    incident.done(Effect::RequestApproval);
                    return Ok(Leave::Given);
                }
                Some(Some(execution)) => {
                    incident.started(Some(execution), now);
                    incident.done(Effect::Runbook);
                    return Ok(Leave::Given);
                }
                Some(None) => {
                    let heard = incident.give_up(why, route.attempts, now);
                    told.heard(&[heard]);
                    return Ok(Leave::GivenUp);
                }
                None => {}
            }
        }
        reasons.push(Reason::StartHeld(attempt.number));
        incident.tell_once(now, &reasons);
        told.decided(Decision { verdict: Verdict::Defer, reasons });
        Ok(Leave::Held)
    }

    fn routed(&self, row: &Row) -> Option<(Incident, &'a Route)> {
        let incident = row.incident.clone()?;
        let route = route_of(&incident, self.policy)?;
        Some((incident, route))
    }

    /// Decides about an open problem, and writes down the decision before anything comes of it.
    async fn decide(
        &self,
        held: &mut Held<'_, W>,
        open: Incident,
        route: &Route,
        told: &mut Told,
    ) -> Result<Stored, ResponseError> {
        let mut refusal = None;
        loop {
            let facts = self.facts(&open, route, refusal.take()).await?;
            let (course, reasons) = decide(route, &open, facts);
            held.limits = match &course {
                Course::Start(_, limits) | Course::Ask(_, limits) => Some((*limits, self.worth_waiting_for())),
                Course::Record(_) | Course::Wait(_) | Course::Leave | Course::Escalate => None,
            };
            let decision = Decision { verdict: course.verdict(), reasons };
            let mut incident = open.clone();
            incident.take(course, &decision.reasons, self.world.now());
            held.row.incident = Some(incident);
            match held.store().await? {
                // Decided again, in the knowledge that it has to wait: that books nothing, so it ends here.
                Stored::Refused(why) => refusal = Some(why),
                Stored::NewsCame => {
                    // Not written, so not decided: the news may say otherwise.
                    held.row.incident = Some(open);
                    return Ok(Stored::NewsCame);
                }
                Stored::Yes => {
                    told.decided(decision);
                    return Ok(Stored::Yes);
                }
            }
        }
    }

    /// How long a start may wait for its turn.
    fn worth_waiting_for(&self) -> Timestamp {
        let now = self.world.now();
        now.plus(TURN).min(self.invocation.deadline.minus(EFFECTS)).max(now)
    }
}

/// The attempt whose start, or request for approval, waits in the outbox, and the document that it would run.
fn waiting(incident: &Incident) -> Option<(Attempt, RunbookName)> {
    let (attempt, effect, document) = match incident.running() {
        Some(attempt) => (attempt, Effect::Runbook, attempt.plan.runbook.clone()),
        None => (incident.current_attempt()?, Effect::RequestApproval, APPROVE_AND_RUN),
    };
    incident.outbox.contains(&effect).then(|| (attempt.clone(), document))
}

fn nobody_listens(news: News) -> Reason {
    match news {
        News::Signal(_) => Reason::NothingToClear,
        News::Outcome(report) => Reason::UnknownIncident(report.incident),
        News::Person(word) => Reason::UnknownIncident(word.incident),
        News::Undoing(undoing) => Reason::UnknownIncident(undoing.incident),
    }
}

fn ignore(reason: Reason, incident: Option<&Incident>) -> Answer {
    answer(Decision::new(Verdict::Ignore, reason), incident)
}

fn answer(decision: Decision, incident: Option<&Incident>) -> Answer {
    Answer {
        incident: incident.map(|incident| incident.id.to_string()),
        ops_item: incident.and_then(|incident| incident.ops_item.clone()),
        execution: incident.and_then(|incident| incident.latest_execution().cloned()),
        ..Answer::from(decision)
    }
}
