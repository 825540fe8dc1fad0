//! Circuit breakers: looking whether one has to open, opening it, and telling people, of this and of whatever else is
//! told once.

use std::time::Duration;

use mend_core::automation::AlarmName;
use mend_core::breaker::trips;
use mend_core::incident::Effect;
use mend_core::policy::Route;
use mend_core::report::Notice;
use mend_core::switches::{OpenBreaker, Scope, breaker_parameter};
use mend_core::time::Timestamp;

use super::Responder;
use super::held::{Held, Stored};
use crate::error::{CallError, ResponseError};
use crate::world::World;

impl<W: World> Responder<'_, W> {
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

    /// Before another attempt is decided, the failure of the last is counted, and the circuit breaker looked at.
    /// `false`: news has come in.
    pub(super) async fn count_failure(
        &self,
        held: &mut Held<'_, W>,
        route: &Route,
    ) -> Result<bool, ResponseError> {
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

    pub(super) async fn look_at_breaker(&self, route: &Route) -> Result<(), CallError> {
        let tallies = self.world.tallies(&route.name, self.world.now()).await?;
        match trips(&Scope::Route(route.name.clone()), tallies) {
            Some((scope, why)) => self.open_breaker(OpenBreaker { scope, why }).await,
            None => Ok(()),
        }
    }

    /// Opens a circuit breaker, if it is not open, and tells people.
    async fn open_breaker(&self, breaker: OpenBreaker) -> Result<(), CallError> {
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
