//! What must hold when an execution starts.

use std::time::Duration;

use mend_core::automation::RunbookName;
use mend_core::calendar::CalendarState;
use mend_core::exemption::{Exemption, Validity};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::mode::Mode;
use mend_core::policy::{Route, Severity};
use mend_core::switches::{
    KillSwitch, ModeSwitch, Scope, breaker_parameter, exemption_parameter, kill_switch_parameter, mode_parameter,
};
use mend_core::time::Timestamp;

use crate::account::State;
use crate::scene::resource_of;

/// A switch holds after so long.
const HOLDS_WITHIN: Duration = Duration::from_secs(30);

/// A start.
pub(crate) struct Started {
    pub(crate) incident: IncidentId,
    pub(crate) attempt: AttemptNumber,
    /// The number of the resource.
    pub(crate) resource: usize,
    pub(crate) runbook: RunbookName,
    /// Whether it asks for approval first.
    pub(crate) asks: bool,
}

impl State<'_> {
    /// An execution starts: nothing may stand in its way.
    pub(crate) fn check_start(&mut self, started: &Started) {
        let Some(route) = self.scene.routes.iter().find(|route| route.runbook == started.runbook).cloned() else {
            self.violated(format!("{} is no route's runbook", started.runbook));
            return;
        };
        if let Some(why) = self.wrong_start(started, &route) {
            self.violated(format!(
                "incident {} attempt {} starts {}: {why}",
                started.incident, started.attempt, started.runbook
            ));
        }
    }

    fn wrong_start(&self, started: &Started, route: &Route) -> Option<String> {
        if started.resource >= self.scene.resources {
            return Some("only a stale or replayed event has spoken of the resource".to_owned());
        }
        let Some(row) = self.ledger.row(&started.incident.fingerprint) else {
            return Some("the incident is not written down".to_owned());
        };
        let booked = self
            .ledger
            .booked
            .iter()
            .rev()
            .find(|booked| booked.incident == started.incident && booked.attempt == started.attempt);
        let Some(booked) = booked else { return Some("the start was not booked".to_owned()) };
        if booked.not_before > self.now {
            return Some(format!("its turn comes at {}", booked.not_before.precise()));
        }
        let budget = route.budget;
        if self.booked_in(&route.name, booked.hour) > usize::from(budget.starts_per_hour) {
            return Some(format!("more than {} starts in an hour", budget.starts_per_hour));
        }
        let runs = self.automation.runs.values();
        if runs.clone().any(|run| {
            (&run.incident, run.attempt) == (&started.incident, started.attempt)
                && run.is_mends_own_start() != started.asks
        }) {
            return Some("it was started before".to_owned());
        }
        if started.asks {
            return None;
        }
        let running: Vec<_> = runs.filter(|run| run.is_mends_own_start() && run.is_repairing()).collect();
        if let Some(other) = running.iter().find(|run| run.resource == started.resource) {
            return Some(format!("incident {} is being repaired on the same resource", other.incident));
        }
        let of_route = running.iter().filter(|run| run.plan.runbook == started.runbook).count();
        if of_route >= usize::from(budget.running) {
            return Some(format!("{of_route} executions of the route are running"));
        }
        if running.len() >= usize::from(self.scene.running_in_all) {
            return Some(format!("{} executions are running", running.len()));
        }
        let severity = row.incident.as_ref().map_or(route.severity, |incident| incident.severity);
        self.guard_rail_in_the_way(started.resource, route, severity)
    }

    /// A guard rail that has said no for longer than a switch may take to hold.
    fn guard_rail_in_the_way(&self, resource: usize, route: &Route, severity: Severity) -> Option<String> {
        let from = self.now.minus(HOLDS_WITHIN);
        let mut moments = vec![from, self.now];
        moments.extend(self.parameters.changes(from, self.now));
        moments.extend(self.calendars.changes(from, self.now));
        let never = |allows: &dyn Fn(Timestamp) -> bool| !moments.iter().any(|moment| allows(*moment));
        let refused = |what: &str| Some(format!("{what}, for more than {} seconds", HOLDS_WITHIN.as_secs()));
        if never(&|moment| self.kill_switch_at(moment) == KillSwitch::Released) {
            return refused("the kill switch is engaged");
        }
        if never(&|moment| self.mode_at(route, moment) == Mode::Enforce) {
            return refused("the mode is not enforce");
        }
        if never(&|moment| self.open_breaker_at(route, moment).is_none()) {
            return refused("a circuit breaker is open");
        }
        if never(&|moment| !self.is_exempt_at(resource, route, moment)) {
            return refused("the resource is exempt");
        }
        let is_emergency = route.is_emergency && severity == Severity::Critical;
        if !is_emergency && never(&|moment| self.calendar_allows(route.expected_duration, moment)) {
            return refused("the calendar is closed, or closes too soon");
        }
        None
    }

    fn kill_switch_at(&self, moment: Timestamp) -> KillSwitch {
        let name = kill_switch_parameter(self.scene.environment);
        self.parameters.value_at(&name, moment).map_or(KillSwitch::Missing, |text| KillSwitch::parse(text))
    }

    pub(crate) fn mode_at(&self, route: &Route, moment: Timestamp) -> Mode {
        let environment = self.scene.environment;
        let switch = self.parameters.value_at(&mode_parameter(environment, &route.name), moment);
        let wanted = match switch.map(|text| ModeSwitch::parse(text)) {
            None | Some(ModeSwitch::Unset) => self.scene.default_mode,
            Some(ModeSwitch::Set(mode)) => mode,
            Some(ModeSwitch::NotUnderstood) => Mode::Observe,
        };
        wanted.min(route.ceiling.of(environment))
    }

    fn open_breaker_at(&self, route: &Route, moment: Timestamp) -> Option<String> {
        let scopes = [Scope::All, Scope::Route(route.name.clone())];
        let names = scopes.map(|scope| breaker_parameter(self.scene.environment, &scope));
        names.into_iter().find(|name| self.parameters.value_at(name, moment).is_some())
    }

    fn is_exempt_at(&self, resource: usize, route: &Route, moment: Timestamp) -> bool {
        let resource = resource_of(resource);
        let holds = |written: Exemption| written.validity(moment) == Validity::Holds;
        let name = exemption_parameter(self.scene.environment, &route.name, &resource);
        let parameter = self.parameters.value_at(&name, moment).and_then(|text| Exemption::parse(text).ok());
        let tags = || {
            let arn = self.scene.place().arn(&resource).filter(|_| route.is_exempt_by_tag)?;
            Exemption::from_tags(&self.calendars.tags_at(&arn, moment))?.ok()
        };
        parameter.is_some_and(holds) || tags().is_some_and(holds)
    }

    fn calendar_allows(&self, duration: Duration, moment: Timestamp) -> bool {
        match self.calendars.state_at(moment) {
            CalendarState::Open { until } => until.is_none_or(|closes| moment.plus(duration) < closes),
            CalendarState::Closed { .. } | CalendarState::Unreadable => false,
        }
    }

    /// What `Mend-ApproveAndRun` finds in the way when it asks again, after a person has said yes.
    pub(crate) fn obstacle(&self, run: &crate::account::automation::Run) -> Option<&'static str> {
        let route = self.scene.routes.iter().find(|route| route.runbook == run.plan.runbook)?;
        let resource = resource_of(run.resource);
        let exemption = exemption_parameter(self.scene.environment, &route.name, &resource);
        let is_exempt = self.parameters.value(&exemption).is_some_and(|text| {
            Exemption::parse(text).map_or(true, |exemption| exemption.validity(self.now) != Validity::Ended)
        });
        if self.kill_switch_at(self.now) != KillSwitch::Released {
            return Some("the kill switch is engaged");
        }
        if self.mode_at(route, self.now) < Mode::Approve {
            return Some("the mode is below approve");
        }
        if self.open_breaker_at(route, self.now).is_some() {
            return Some("a circuit breaker is open");
        }
        if is_exempt {
            return Some("the resource is exempt");
        }
        let is_closed = !matches!(self.calendars.state_at(self.now), CalendarState::Open { .. });
        (is_closed && !route.is_emergency).then_some("the calendar is closed")
    }
}
