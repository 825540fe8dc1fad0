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

use mend_core::automation::{APPROVE_AND_RUN, AlarmName, DocumentVersion, RoleArn, RoleFamily, RunbookName};
use mend_core::calendar::CalendarState;
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::exemption::Exemption;
use mend_core::guard::{self, Course, Facts, Refusal, TagExemption, decide};
use mend_core::identity::Fingerprint;
use mend_core::incident::{Attempt, AttemptReport, Effect, Incident, PersonsWord, Plan, State, Undoing};
use mend_core::mode::Mode;
use mend_core::policy::{Policy, Route, Routing};
use mend_core::report::{Notice, Place};
use mend_core::resource::Resource;
use mend_core::signal::Signal;
use mend_core::switches::{OpenBreaker, Scope, SwitchNames, Switches, breaker_parameter};
use mend_core::time::Timestamp;
use tracing::warn;

use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::execution::{self, Ended};
use crate::world::{Claim, Lease, News, Row, World};
use effects::{Carried, Permit, Tried};
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
        if report.request.as_ref().is_none_or(|request| *request == report.execution) {
            return Ok(());
        }
        if report.runbook != APPROVE_AND_RUN {
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

    /// Whether deciding again about an open problem would come to anything else, as far as is known of what the
    /// ledger would refuse. People are told what they should hear about the exemption in the resource's tags.
    pub(crate) async fn would_change(
        &self,
        incident: &Incident,
        refusal: Option<Refusal>,
    ) -> Result<bool, ResponseError> {
        let Some(route) = route_of(incident, self.policy).filter(|_| incident.is_undecided()) else {
            return Ok(false);
        };
        let facts = self.facts(incident, route, refusal).await?;
        let remark = facts.tags.remark(facts.now);
        let (course, reasons) = decide(route, incident, facts);
        if let Some(remark) = remark {
            let place = format!("The tags of {} {}", incident.resource.kind, incident.resource.id);
            // What is told once can be told by the next run.
            if let Err(error) = self.tell_once(&Notice::Remark { place, remark }).await {
                warn!("{}", chain(&error));
            }
        }
        let mut decided = incident.clone();
        decided.take(course, &reasons, self.world.now());
        Ok(decided != *incident)
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

    /// Before another attempt is decided, the failure of the last is counted, and the circuit breaker looked at.
    /// `false`: news has come in.
    async fn count_failure(&self, held: &mut Held<'_, W>, route: &Route) -> Result<bool, ResponseError> {
        let looks = |held: &Held<'_, W>| {
            held.row.incident.as_ref().is_some_and(|incident| incident.outbox.contains(&Effect::Breaker))
        };
        if !looks(held) {
            return Ok(true);
        }
        if held.changed() && !matches!(held.store().await?, Stored::Yes) {
            return Ok(false);
        }
        match self.look_at_breaker(route).await {
            Ok(()) => {
                if let Some(incident) = &mut held.row.incident {
                    incident.done(Effect::Breaker);
                }
            }
            Err(CallError::Retryable(error)) => return Err(ResponseError::Facts(error)),
            // It stays in the outbox, where it is given up and noted.
            Err(CallError::Final(_)) => {}
        }
        Ok(true)
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

    /// Reads what a decision needs to know: in one step, and nothing that the answer does not hang on any more. What
    /// stays unreadable stops the answer, not the record.
    async fn facts(
        &self,
        incident: &Incident,
        route: &Route,
        refusal: Option<Refusal>,
    ) -> Result<Facts, ResponseError> {
        let (now, environment) = (self.world.now(), self.stack.place.environment);
        let names = SwitchNames::of(environment, &route.name, &incident.resource);
        let known_switches = self.world.known_parameters(&names.all()).map(|parameters| names.read(&parameters));
        let needs = guard::needs(
            route,
            incident.evidence,
            known_switches.as_ref(),
            environment,
            self.stack.default_mode,
            now,
        );
        let (switches, version, tags, calendar) = tokio::join!(
            biased;
            self.switches(&names, known_switches),
            self.version(route, needs.version),
            self.tags(&incident.resource, needs.tags),
            self.calendar(needs.calendar),
        );
        let role = self.stack.roles.get(&route.role).cloned();
        let plan = version?.zip(role).map(|(version, role)| Plan {
            runbook: route.runbook.clone(),
            version,
            role,
            parameters: route
                .parameters
                .iter()
                .map(|(name, source)| (name.clone(), source.value(&incident.resource)))
                .collect(),
            alarm: route.alarm.clone(),
        });
        Ok(Facts {
            now,
            environment,
            default_mode: self.stack.default_mode,
            running_in_all: self.stack.running_in_all,
            has_approvers: self.stack.has_approvers,
            switches: switches?,
            tags: tags?,
            calendar: calendar?,
            plan,
            refusal,
        })
    }

    async fn switches(
        &self,
        names: &SwitchNames,
        known_switches: Option<Switches>,
    ) -> Result<Switches, ResponseError> {
        if let Some(switches) = known_switches {
            return Ok(switches);
        }
        let parameters = known(self.world.parameters(&names.all()).await)?;
        Ok(parameters.map_or(Switches::Unreadable, |parameters| names.read(&parameters)))
    }

    async fn version(&self, route: &Route, needed: bool) -> Result<Option<DocumentVersion>, ResponseError> {
        if needed { known(self.world.version(&route.runbook).await) } else { Ok(None) }
    }

    async fn tags(&self, resource: &Resource, needed: bool) -> Result<TagExemption, ResponseError> {
        let Some(arn) = self.stack.place.arn(resource).filter(|_| needed) else {
            return Ok(TagExemption::NotAsked);
        };
        let tags = known(self.world.exemption_tags(&arn).await)?;
        Ok(tags.map_or(TagExemption::Unreadable, |tags| TagExemption::Read(Exemption::from_tags(&tags))))
    }

    async fn calendar(&self, needed: bool) -> Result<Option<CalendarState>, ResponseError> {
        if !needed {
            return Ok(None);
        }
        Ok(known(self.world.calendar().await)?.unwrap_or(Some(CalendarState::Unreadable)))
    }

    /// Answers an alarm that rings: opens the breaker of all routes if it is one of `of_all`, else those of the routes
    /// that name it. Comes back with what is open for it.
    pub async fn alarm(
        &self,
        alarm: &AlarmName,
        why: &str,
        of_all: &[AlarmName],
    ) -> Result<Vec<OpenBreaker>, CallError> {
        let scopes: Vec<_> = if of_all.contains(alarm) {
            vec![Scope::All]
        } else {
            self.policy.watched_by(alarm).map(|route| Scope::Route(route.name.clone())).collect()
        };
        let mut opened = Vec::new();
        for scope in scopes {
            let breaker = OpenBreaker { scope, why: why.to_owned() };
            self.open_breaker(breaker.clone()).await?;
            opened.push(breaker);
        }
        Ok(opened)
    }

    /// Opens a circuit breaker, if it is not open, and tells people.
    pub(crate) async fn open_breaker(&self, breaker: OpenBreaker) -> Result<(), CallError> {
        let name = breaker_parameter(self.stack.place.environment, &breaker.scope);
        // Parameter Store takes no double braces, and nobody needs single ones.
        let why = breaker.why.replace(['{', '}'], "");
        let opened = self.world.create_parameter(&name, &format!("open: {why}")).await?;
        let (notice, now) = (Notice::BreakerOpened(breaker), self.world.now());
        if opened {
            return self.tell(&notice, now).await;
        }
        // It was open: whoever opened it may have died before people were told.
        let an_hour_ago = notice.key(now.minus(Duration::from_hours(1)));
        if self.world.is_told(&an_hour_ago).await? { Ok(()) } else { self.tell_once(&notice).await.map(drop) }
    }

    /// Tells people what they have not been told. `false`: they have.
    pub(crate) async fn tell_once(&self, notice: &Notice) -> Result<bool, CallError> {
        let now = self.world.now();
        let key = notice.key(now);
        if self.world.is_told(&key).await? {
            return Ok(false);
        }
        self.tell(notice, now).await?;
        Ok(true)
    }

    async fn tell(&self, notice: &Notice, now: Timestamp) -> Result<(), CallError> {
        self.world.publish(&notice.notification(&self.stack.place, now)).await?;
        self.world.mark_told(&notice.key(now), now).await
    }
}

/// The attempt whose start, or request for approval, waits in the outbox, and the document that it would run.
fn waiting(incident: &Incident) -> Option<(Attempt, RunbookName)> {
    match &incident.state {
        State::Remediating(attempt) if incident.outbox.contains(&Effect::Runbook) => {
            Some((attempt.clone(), attempt.plan.runbook.clone()))
        }
        State::AwaitingApproval(attempt) if incident.outbox.contains(&Effect::RequestApproval) => {
            Some((attempt.clone(), APPROVE_AND_RUN))
        }
        State::Open
        | State::Observed(_)
        | State::Suppressed
        | State::Deferred { .. }
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated
        | State::Reopened
        | State::Resolved { .. } => None,
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
