//! Carrying out an outbox. Every effect has a key or brings the outside in step with the incident as it
//! is, so that carrying it out again is harmless.

use mend_core::incident::{Effect, Incident, Shown};
use mend_core::policy::Route;
use mend_core::report::{MendEvent, Notification, OpsItemContent, OpsItemStatus};
use tracing::warn;

use super::{RESERVE, Responder};
use crate::error::{CallError, ResponseError, RetryableError, chain};
use crate::world::{Start, World};

/// How far the outbox was carried out.
pub(super) enum Carried {
    /// To its end.
    Out,
    /// As far as it may be: the start that is left waits for leave.
    AsFarAsItMay,
    /// The attempt could not be started, and what follows has to be written down first.
    NotStarted,
    /// The rest is for later.
    Left(Left),
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
    /// Without `leave`, nothing is started.
    pub(super) async fn carry_out(
        &self,
        incident: &mut Incident,
        route: &Route,
        leave: bool,
        tried: &mut Tried,
    ) -> Carried {
        let mut left = None;
        let mut postponed = if leave { Vec::new() } else { vec![Effect::Runbook] };
        while let Some(effect) = incident.outbox.iter().copied().find(|effect| !postponed.contains(effect)) {
            if self.world.now().plus(RESERVE) >= self.invocation.deadline {
                return Carried::Left(Left::OutOfTime);
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
                    if effect == Effect::Runbook {
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
            Effect::OpsItem => {
                let content = OpsItemContent::of(incident, route, place);
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
            Effect::Runbook => {
                let Some(attempt) = incident.running() else { return Ok(()) };
                let start = Start {
                    plan: &attempt.plan,
                    incident: &incident.id,
                    attempt: attempt.number,
                    client_token: incident.client_token(attempt.number),
                };
                let execution = self.world.start(&start).await?;
                incident.started(execution, self.world.now());
                Ok(())
            }
            Effect::Notification(occasion) => {
                self.world.publish(&Notification::of(incident, occasion, route, place)).await
            }
            Effect::Event(occasion) => self.world.put(&MendEvent::of(incident, occasion, route, place)).await,
        }
    }
}
