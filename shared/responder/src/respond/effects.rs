//! Carrying out an outbox. Every effect has a key or brings the outside in step with the incident as it
//! is, so that carrying it out again is harmless.

use mend_core::incident::{Effect, Incident};
use mend_core::policy::Route;
use mend_core::report::{MendEvent, Notification, OpsItemContent};
use tracing::warn;

use super::{RESERVE, Responder};
use crate::error::{CallError, ResponseError, RetryableError, chain};
use crate::world::{Start, World};

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
    pub(super) async fn carry_out(&self, incident: &mut Incident, route: &Route) -> Option<Left> {
        let mut left = None;
        let mut postponed = Vec::new();
        while let Some(effect) = incident.outbox.iter().copied().find(|effect| !postponed.contains(effect)) {
            if self.world.now().plus(RESERVE) >= self.invocation.deadline {
                return Some(Left::OutOfTime);
            }
            match self.carry_out_one(incident, route, effect).await {
                Ok(()) => incident.done(effect),
                Err(CallError::Retryable(error)) => {
                    postponed.push(effect);
                    left.get_or_insert(Left::ForLater(error));
                }
                Err(CallError::Final(error)) => {
                    let why = chain(&error);
                    warn!(incident.id = %incident.id, effect = ?effect, "{why}");
                    incident.done(effect);
                    if effect == Effect::Runbook {
                        // It ends the attempt, and what comes next has to be decided.
                        let _ = incident.could_not_start(why, route, self.world.now());
                        return left;
                    }
                    incident.note(self.world.now(), format!("Given up: {error}"));
                }
            }
        }
        left
    }

    async fn carry_out_one(
        &self,
        incident: &mut Incident,
        route: &Route,
        effect: Effect,
    ) -> Result<(), CallError> {
        let place = &self.stack.place;
        match effect {
            Effect::OpsItem => {
                let content = OpsItemContent::of(incident, route, place);
                if let Some(id) = &incident.ops_item {
                    return self.world.update(id, &content).await;
                }
                incident.ops_item = Some(self.world.create(&content).await?);
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
