//! Carrying out an outbox. Every effect has a key or brings the outside in step with the incident as it
//! is, so that carrying it out again is harmless.

use std::time::Duration;

use mend_core::automation::{APPROVE_AND_RUN, ExecutionId};
use mend_core::gathering::GatheringId;
use mend_core::identity::IncidentId;
use mend_core::incident::{Approval, Effect, Incident, Shown, State};
use mend_core::policy::Route;
use mend_core::report::{
    ApprovalRequest, Gathering, MendEvent, Notification, OpsItemContent, OpsItemStatus, Roll,
};
use mend_core::time::Timestamp;
use tracing::warn;

use super::{PATIENCE, RESERVE, Responder};
use crate::error::{CallError, ResponseError, RetryableError, chain};
use crate::world::{Launch, World};

/// Whoever began a gathering has so much time to create its OpsItem, before others do.
const BEGUN: Duration = Duration::from_mins(1);

/// How far the outbox was carried out.
pub(super) enum Carried {
    /// To its end.
    Out,
    /// As far as it may be: the start that is left waits for leave.
    AsFarAsItMay,
    /// A start that is left has to be asked about again.
    TooLate,
    /// The attempt could not be started, and what follows has to be written down first.
    NotStarted,
    /// The rest is for later.
    Left(Left),
}

/// Whether, and from when on, executions may be started.
#[derive(Clone, Copy)]
pub(super) struct Permit {
    /// Whether a start that waits may happen.
    pub(super) starts: bool,
    /// Until when what was read to decide that is fresh enough.
    pub(super) until: Timestamp,
    /// When it is the start's turn.
    pub(super) start_at: Option<Timestamp>,
}

/// Whether the OpsItem was tried before, so that there may be one that the incident does not know.
pub(super) struct Tried(pub(super) bool);

/// Why effects stay in the outbox.
pub(super) enum Left {
    /// A call may succeed later.
    ForLater(RetryableError),
    /// The function's time is nearly over.
    OutOfTime,
}

impl Left {
    pub(super) fn into_error(self, incident: &Incident) -> ResponseError {
        let (incident, left) = (incident.id.to_string(), incident.outbox.len());
        match self {
            Self::ForLater(source) => ResponseError::EffectsLeft { incident, left, source },
            Self::OutOfTime => ResponseError::OutOfTime { incident, left },
        }
    }
}

impl<W: World> Responder<'_, W> {
    /// Carries out the outbox, each effect in its turn. One that fails for now does not keep the others.
    /// Nothing is started that `permit` does not allow.
    pub(super) async fn carry_out(
        &self,
        incident: &mut Incident,
        route: &Route,
        permit: Permit,
        tried: &mut Tried,
    ) -> Carried {
        let mut left = None;
        let mut postponed =
            if permit.starts { Vec::new() } else { vec![Effect::Runbook, Effect::RequestApproval] };
        while let Some(effect) = incident.outbox.iter().copied().find(|effect| !postponed.contains(effect)) {
            if self.world.now().plus(RESERVE) >= self.invocation.deadline {
                return Carried::Left(Left::OutOfTime);
            }
            if let Effect::Runbook | Effect::RequestApproval = effect {
                if let Some(start_at) = permit.start_at {
                    self.world.wait_until(start_at).await;
                }
                if self.world.now() > permit.until {
                    return Carried::TooLate;
                }
            }
            match self.carry_out_one(incident, route, effect, tried).await {
                Ok(()) => incident.done(effect),
                Err(CallError::Retryable(error)) => {
                    postponed.push(effect);
                    if effect == Effect::OpsItem {
                        // The answer may be all that was lost.
                        incident.ops_item_shows = None;
                        tried.0 = true;
                    }
                    left.get_or_insert(Left::ForLater(error));
                }
                Err(CallError::Final(error)) => {
                    let why = chain(&error);
                    warn!(incident.id = %incident.id, effect = ?effect, "{why}");
                    incident.done(effect);
                    if matches!(effect, Effect::Runbook | Effect::RequestApproval) {
                        // It ends the attempt. What follows is in the state and in the outbox.
                        let _ = incident.could_not_start(&why, route.attempts, self.world.now());
                        return Carried::NotStarted;
                    }
                    incident.note(self.world.now(), format!("Given up: {error}"));
                }
            }
        }
        match left {
            Some(left) => Carried::Left(left),
            None if incident.outbox.is_empty() => Carried::Out,
            None => Carried::AsFarAsItMay,
        }
    }

    async fn carry_out_one(
        &self,
        incident: &mut Incident,
        route: &Route,
        effect: Effect,
        tried: &Tried,
    ) -> Result<(), CallError> {
        let place = &self.stack.place;
        match effect {
            Effect::OpsItem => match incident.gathering.clone() {
                Some(gathering) => self.gather(&gathering, incident, route, tried).await,
                None => self.bring_ops_item_in_step(incident, route, tried).await,
            },
            Effect::Runbook => {
                let Some(attempt) = incident.running() else { return Ok(()) };
                let launch = Launch {
                    plan: &attempt.plan,
                    incident: &incident.id,
                    attempt: attempt.number,
                    client_token: incident.client_token(attempt.number),
                };
                let execution = self.world.start(&launch).await?;
                incident.started(execution, self.world.now());
                Ok(())
            }
            Effect::RequestApproval => {
                let State::AwaitingApproval(attempt) = &incident.state else { return Ok(()) };
                let execution = self.world.ask(&ApprovalRequest::of(incident, attempt, route, place)).await?;
                incident.asked(execution, self.world.now());
                Ok(())
            }
            Effect::WithdrawApproval => self.withdraw(incident).await,
            Effect::Breaker => self.look_at_breaker(route).await,
            Effect::Notification(occasion) => {
                self.world.publish(&Notification::of(incident, occasion, route, place)).await
            }
            Effect::Event(occasion) => self.world.put(&MendEvent::of(incident, occasion, route, place)).await,
        }
    }

    async fn bring_ops_item_in_step(
        &self,
        incident: &mut Incident,
        route: &Route,
        tried: &Tried,
    ) -> Result<(), CallError> {
        let content = OpsItemContent::of(incident, route, &self.stack.place);
        let sets_status = incident.ops_item_shows.is_none_or(|shown| shown.status != content.status);
        if incident.ops_item.is_none() && (tried.0 || content.status == OpsItemStatus::Resolved) {
            // The dedup string keeps another from being created only until this one is resolved.
            incident.ops_item = self.world.find(&incident.id).await?;
        }
        let is_there = match &incident.ops_item {
            Some(id) => self.world.update(id, &content, sets_status).await?,
            None => false,
        };
        if !is_there {
            // There is none, or somebody has deleted it.
            incident.ops_item = Some(self.world.create(&content).await?);
        }
        if sets_status || !is_there {
            incident.ops_item_shows = Some(Shown { status: content.status, at: self.world.now() });
        }
        Ok(())
    }

    /// Takes the incident, as it is now, into its gathering. Whoever begins a gathering tells of it.
    async fn gather(
        &self,
        id: &GatheringId,
        incident: &Incident,
        route: &Route,
        tried: &Tried,
    ) -> Result<(), CallError> {
        let now = self.world.now();
        let member = incident.member(now);
        let mut gathering = self.world.gather(id, &member, now).await?;
        if gathering.is_over && !member.rests() {
            // It begins anew, and so does its OpsItem.
            gathering = Gathering { opened_at: now, ops_item: None, is_over: false, ..gathering };
        }
        let is_mine = gathering.opened_at == now || tried.0 || now.since(gathering.opened_at) > BEGUN;
        if gathering.ops_item.is_some() || !is_mine {
            return Ok(());
        }
        let mut roll = Roll::default();
        roll.add(member);
        self.begin_gathering(gathering, &roll, route).await
    }

    /// Creates the OpsItem of a gathering, and tells people.
    pub(crate) async fn begin_gathering(
        &self,
        mut gathering: Gathering,
        roll: &Roll,
        route: &Route,
    ) -> Result<(), CallError> {
        let (place, now) = (&self.stack.place, self.world.now());
        let content = gathering.content(roll, route, place, &self.stack.ledger_table);
        gathering.stands = roll.sentence();
        gathering.ops_item = Some(self.world.create(&content).await?);
        // Its digest follows from then on, also where people cannot be told now.
        self.world.keep_gathering(&gathering).await?;
        self.world.publish(&gathering.notification(None, route, place, now)).await?;
        gathering.told_at = Some(now);
        self.world.keep_gathering(&gathering).await
    }

    /// The execution that asks for approval, looked for if its id is not known.
    pub(crate) async fn execution_of_request(
        &self,
        incident: &IncidentId,
        approval: &Approval,
    ) -> Result<Option<ExecutionId>, CallError> {
        if approval.execution.is_some() {
            return Ok(approval.execution.clone());
        }
        self.world.find_execution(&APPROVE_AND_RUN, incident, approval.attempt, approval.asked_at).await
    }

    /// Stops the executions that ask for an answer that matters no more.
    async fn withdraw(&self, incident: &mut Incident) -> Result<(), CallError> {
        while let Some(approval) = incident.withdrawn.last() {
            match self.execution_of_request(&incident.id, approval).await? {
                Some(id) => self.world.stop(&id).await?,
                None if self.world.now().since(approval.asked_at) > PATIENCE => {}
                None => {
                    let attempted = format!("withdraw the request for approval of incident {}", incident.id);
                    return Err(CallError::retryable(attempted, "Automation does not list it yet"));
                }
            }
            incident.withdrawn.pop();
        }
        Ok(())
    }
}
