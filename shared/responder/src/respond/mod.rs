//! From news to a settled row.
//!
//! 1. Claim the row: the news is in its inbox, and the whole row comes back. Written down first.
//! 2. Take in the inbox, decide, write the result with its outbox in one conditional write.
//! 3. Carry out the outbox, each effect under its key.
//! 4. Settle: write what came of it and give the lease back. If news has come in meanwhile, go on with 2.
//!
//! A crash anywhere leaves a row that the next delivery, or `reconcile`, carries on from: the lease ends
//! before Lambda's first retry of an asynchronous invocation (60 s) comes.

mod effects;
mod held;
mod intake;

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::automation::{RoleArn, RoleFamily};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::guard::{Course, Facts, decide};
use mend_core::identity::{Fingerprint, IncidentId};
use mend_core::incident::{AttemptReport, Effect, Incident, PersonsWord, Plan, State};
use mend_core::mode::Mode;
use mend_core::policy::{Policy, Route, Routing};
use mend_core::report::Place;
use mend_core::signal::Signal;
use mend_core::switches::Switches;
use mend_core::time::Timestamp;
use tracing::warn;

use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::world::{Claim, Lease, News, Row, World};
use effects::{Carried, Tried};
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

    /// Carries on what is left in an incident's row, and decides again what may be decided. `None`: somebody else
    /// does, or there is no such incident.
    pub async fn resume(&self, fingerprint: &Fingerprint) -> Result<Option<Answer>, ResponseError> {
        let now = self.world.now();
        let lease = self.lease(now);
        match self.world.resume(fingerprint, &lease, now).await.map_err(ResponseError::Ledger)? {
            Claim::Mine(row) => self.carry(Held::new(self.world, fingerprint, lease, row), true).await.map(Some),
            Claim::Busy(_) | Claim::Known(_) | Claim::Nothing => Ok(None),
        }
    }

    /// Whether deciding again about an open problem would come to anything else.
    pub(crate) async fn would_change(&self, incident: &Incident) -> Result<bool, ResponseError> {
        let Some(route) = route_of(incident, self.policy).filter(|_| incident.is_undecided()) else {
            return Ok(false);
        };
        let facts = self.facts(incident, route, None).await?;
        let (course, reasons) = decide(route, incident.evidence, facts);
        let mut decided = incident.clone();
        decided.take(course, &reasons, self.world.now());
        Ok(decided != *incident)
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
                    return self.carry(Held::new(self.world, fingerprint, lease, row), false).await;
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
    async fn carry(&self, mut held: Held<'a, W>, resumes: bool) -> Result<Answer, ResponseError> {
        let answer = self.carry_on(&mut held, resumes).await;
        // Who has failed before the row was settled must not keep others from it.
        if matches!(answer, Err(ResponseError::Facts(_) | ResponseError::Contention)) {
            held.abandon().await;
        }
        answer
    }

    async fn carry_on(&self, held: &mut Held<'a, W>, resumes: bool) -> Result<Answer, ResponseError> {
        let mut told = Told::new();
        // Whoever left it undone may have done it, and not written that down.
        let mut tried = Tried(false);
        if let Some(incident) = held.row.incident.as_mut().filter(|incident| !incident.outbox.is_empty()) {
            told.because(Reason::Resumed);
            if incident.outbox.contains(&Effect::OpsItem) {
                incident.ops_item_shows = None;
                tried = Tried(true);
            }
        }
        let mut undecided = resumes && held.row.incident.as_ref().is_some_and(Incident::is_undecided);
        for _ in 0..ROUNDS {
            let intake = take_in(&mut held.row, self.policy, self.world.now());
            told.heard(&intake.heard);
            undecided = intake.undecided().unwrap_or(undecided);
            held.keep(intake.before_states);
            held.history = intake.history.or_else(|| held.history.take());

            let mut left = None;
            if let Some((incident, route)) = self.routed(&held.row) {
                let decided = undecided || incident.state == State::Open;
                let stored = if decided {
                    self.decide(held, incident.clone(), route, &mut told).await?
                } else if held.changed() {
                    held.store().await?
                } else {
                    Stored::Yes
                };
                if !matches!(stored, Stored::Yes) {
                    continue;
                }
                undecided = false;
                if let Some(incident) = &mut held.row.incident {
                    let leave = if decided {
                        Leave::Given
                    } else {
                        self.ask_leave(incident, route, resumes, &mut told).await?
                    };
                    if leave == Leave::GivenUp {
                        continue;
                    }
                    match self.carry_out(incident, route, leave == Leave::Given, &mut tried).await {
                        Carried::Out | Carried::AsFarAsItMay => {}
                        Carried::NotStarted => continue,
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

    /// Whether a start that was decided earlier, and waits in the outbox, may still happen: the same guard rails
    /// are asked again. It is not withdrawn at once, because it may have happened, its answer lost. `reconcile`
    /// gives it up when nothing complains any more, or after a day, if it finds no execution of it.
    async fn ask_leave(
        &self,
        incident: &mut Incident,
        route: &Route,
        resumes: bool,
        told: &mut Told,
    ) -> Result<Leave, ResponseError> {
        let Some(attempt) = incident.running().filter(|_| incident.outbox.contains(&Effect::Runbook)) else {
            return Ok(Leave::Given);
        };
        let attempt = attempt.clone();
        let (patience, why, mut reasons) = if incident.is_violated() {
            let facts = self.facts(incident, route, None).await?;
            let (course, reasons) = decide(route, incident.evidence, facts);
            if matches!(course, Course::Start(_)) {
                return Ok(Leave::Given);
            }
            (GIVEN_UP, "it was not allowed to begin for a day", reasons)
        } else {
            (PATIENCE, "nothing complains any more", vec![Reason::NothingComplains])
        };
        let now = self.world.now();
        if resumes && now.since(attempt.planned_at) > patience {
            match known(self.world.find_execution(&incident.id, &attempt).await)? {
                Some(Some(execution)) => {
                    incident.started(Some(execution), now);
                    incident.done(Effect::Runbook);
                    return Ok(Leave::Given);
                }
                Some(None) => {
                    let heard = incident.could_not_start(why, route.attempts, now);
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
        held: &mut Held<'a, W>,
        open: Incident,
        route: &Route,
        told: &mut Told,
    ) -> Result<Stored, ResponseError> {
        let mut resource_held_by = None;
        loop {
            let facts = self.facts(&open, route, resource_held_by).await?;
            let (course, reasons) = decide(route, open.evidence, facts);
            let decision = Decision { verdict: course.verdict(), reasons };
            let mut incident = open.clone();
            incident.take(course, &decision.reasons, self.world.now());
            held.row.incident = Some(incident);
            match held.store().await? {
                // Decided again, in the knowledge that it has to wait: that takes no hold, so it ends here.
                Stored::ResourceHeld(other) => resource_held_by = Some(other),
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

    /// Reads what a decision needs to know. What stays unreadable stops the answer, not the record.
    async fn facts(
        &self,
        incident: &Incident,
        route: &Route,
        resource_held_by: Option<IncidentId>,
    ) -> Result<Facts, ResponseError> {
        let switches = known(self.world.switches(&route.name).await)?.unwrap_or(Switches::Unreadable);
        let version = known(self.world.version(&route.runbook).await)?;
        let role = self.stack.roles.get(&route.role).cloned();
        let plan = version.zip(role).map(|(version, role)| Plan {
            runbook: route.runbook.clone(),
            version,
            role,
            parameters: route
                .parameters
                .iter()
                .map(|(name, source)| (name.clone(), source.value(&incident.resource)))
                .collect(),
        });
        Ok(Facts {
            environment: self.stack.place.environment,
            default_mode: self.stack.default_mode,
            switches,
            plan,
            resource_held_by,
        })
    }
}

/// A fact; nothing if it cannot be known until somebody changes something; an error if it is worth another try.
fn known<T>(fact: Result<T, CallError>) -> Result<Option<T>, ResponseError> {
    match fact {
        Ok(fact) => Ok(Some(fact)),
        Err(CallError::Retryable(error)) => Err(ResponseError::Facts(error)),
        Err(CallError::Final(error)) => {
            warn!("{}", chain(&error));
            Ok(None)
        }
    }
}

fn nobody_listens(news: News) -> Reason {
    match news {
        News::Signal(_) => Reason::NothingToClear,
        News::Outcome(report) => Reason::UnknownIncident(report.incident),
        News::Person(word) => Reason::UnknownIncident(word.incident),
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
