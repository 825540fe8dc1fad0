//! What a decision needs to know.

use mend_core::automation::DocumentVersion;
use mend_core::calendar::CalendarState;
use mend_core::exemption::Exemption;
use mend_core::guard::{self, Facts, Refusal, TagExemption};
use mend_core::incident::{Incident, Plan};
use mend_core::policy::Route;
use mend_core::resource::Resource;
use mend_core::switches::{SwitchNames, Switches};
use tracing::warn;

use super::Responder;
use crate::error::{CallError, ResponseError, chain};
use crate::world::World;

impl<W: World> Responder<'_, W> {
    /// Reads what a decision needs to know: in one step, and nothing that the answer does not hang on any more. What
    /// stays unreadable stops the answer, not the record.
    pub(super) async fn facts(
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
}

/// A fact; nothing if it cannot be known until somebody changes something; an error if it is worth another try.
pub(super) fn known<T>(fact: Result<T, CallError>) -> Result<Option<T>, ResponseError> {
    match fact {
        Ok(fact) => Ok(Some(fact)),
        Err(CallError::Retryable(error)) => Err(ResponseError::Facts(error)),
        Err(CallError::Final(error)) => {
            warn!("{}", chain(&error));
            Ok(None)
        }
    }
}
