//! What must hold when nothing goes wrong any more, and enough time has passed.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::calendar::CalendarState;
use mend_core::identity::{Fingerprint, effect_key};
use mend_core::incident::{Approval, Change, Incident, Outcome, Resolution, State as Stands};
use mend_core::mode::Mode;
use mend_core::report::{OpsItemContent, state_name};
use mend_core::signal::{Cause, CauseState, Freshness};
use mend_core::switches::{Scope, breaker_parameter, kill_switch_parameter};

use crate::account::State;
use crate::scene::{Check, resource_of};

/// So late may be what `reconcile` does every five minutes.
const SLACK: Duration = Duration::from_mins(11);

impl State<'_> {
    /// Checks everything; the first rule that is broken counts.
    pub(crate) fn check_ending(&mut self) {
        let broken = self
            .restless_row()
            .or_else(|| self.endless_incident())
            .or_else(|| self.lost_problem())
            .or_else(|| self.untold_change())
            .or_else(|| self.wrong_ops_item())
            .or_else(|| self.wrong_gathering())
            .or_else(|| self.wrong_count())
            .or_else(|| self.breaker_left_closed());
        if let Some(broken) = broken {
            self.violated(broken);
        }
    }

    fn restless_row(&self) -> Option<String> {
        let mut rows = self.ledger.rows();
        rows.find(|(_, row)| !row.settled()).map(|(fingerprint, row)| {
            let outbox = row.incident.as_ref().map(|incident| &incident.outbox);
            format!(
                "row {fingerprint} never comes to rest: lease {:?}, inbox {:?}, outbox {outbox:?}",
                row.lease, row.inbox
            )
        })
    }

    fn endless_incident(&self) -> Option<String> {
        self.ledger
            .rows()
            .filter_map(|(_, row)| row.incident.as_ref())
            .find_map(|incident| self.why_endless(incident).map(|why| format!("incident {} {why}", incident.id)))
    }

    fn why_endless(&self, incident: &Incident) -> Option<String> {
        match &incident.state {
            Stands::Resolved { .. } | Stands::Escalated | Stands::Reopened => None,
            Stands::Open => Some("is never decided".to_owned()),
            Stands::Remediating(attempt) => {
                Some(format!("is being remediated for ever, attempt {}", attempt.number))
            }
            Stands::Deferred { until, .. } if until.plus(SLACK) < self.now => Some(format!("was due at {until}")),
            Stands::Deferred { .. } => self
                .nothing_in_the_way(incident)
                .then(|| format!("is deferred, and nothing is in the way: {:?}", incident.notes.last())),
            Stands::AwaitingApproval(_) => match &incident.approval {
                Some(approval) if approval.asked_at.plus(Approval::PATIENCE + SLACK) > self.now => None,
                approval => Some(format!("waits for approval for ever: {approval:?}")),
            },
            Stands::Suppressed => {
                if incident.notes.iter().all(|note| !note.text.starts_with("Suppressed: ")) {
                    return Some("is suppressed without a reason".to_owned());
                }
                (self.nothing_in_the_way(incident) && self.mode_now(incident) > Mode::Off)
                    .then(|| format!("is suppressed, and nothing says so: {:?}", incident.notes.last()))
            }
            Stands::Observed(_) => (self.nothing_in_the_way(incident)
                && incident.evidence == Freshness::Live
                && self.mode_now(incident) > Mode::Observe)
                .then(|| "is only observed, in a mode that allows more".to_owned()),
        }
    }

    /// Whether operators have put everything right.
    fn nothing_in_the_way(&self, incident: &Incident) -> bool {
        let kill = kill_switch_parameter(self.scene.environment);
        self.parameters.names() == [kill.clone()]
            && self.parameters.value(&kill).is_some_and(|says| says == "released")
            && matches!(self.calendars.state_at(self.now), CalendarState::Open { until: None })
            && self.calendars.tags.values().flatten().all(|(_, tags)| {
                mend_core::exemption::Exemption::from_tags(tags)
                    .is_none_or(|said| said.is_ok_and(|exemption| exemption.until <= self.now))
            })
            && (self.mode_now(incident) != Mode::Approve || self.scene.has_approvers)
    }

    fn mode_now(&self, incident: &Incident) -> Mode {
        let route = self.scene.routes.iter().find(|route| route.name == incident.route);
        route.map_or(Mode::Off, |route| self.mode_at(route, self.now))
    }

    /// Every complaint of Config is in an incident, unless a person has closed that; and no incident outlives its
    /// complaints.
    fn lost_problem(&self) -> Option<String> {
        let mut complained: BTreeMap<Fingerprint, bool> = BTreeMap::new();
        for check in self.scene.checks() {
            let Some(route) = self.scene.routes.get(check.route()) else { continue };
            let fingerprint = Fingerprint::of(&resource_of(check.resource), &route.problem);
            let complains = self.configuration.complaint(check).is_some();
            *complained.entry(fingerprint.clone()).or_default() |= complains;
            if let Some(why) = self.why_lost(check, &fingerprint) {
                return Some(format!("{check} complains, and {why}"));
            }
        }
        complained.into_iter().filter(|(_, complains)| !complains).find_map(|(fingerprint, _)| {
            let incident = self.ledger.row(&fingerprint)?.incident.as_ref()?;
            // Who has reopened it has it until they resolve it.
            let is_a_persons =
                incident.causes.get(&Cause::Person).is_some_and(|record| record.state == CauseState::Violated);
            let is_over = incident.state.is_over() || is_a_persons;
            (!is_over).then(|| {
                format!("nothing complains, and incident {} is {}", incident.id, state_name(&incident.state))
            })
        })
    }

    fn why_lost(&self, check: Check, fingerprint: &Fingerprint) -> Option<String> {
        let complaint = self.configuration.complaint(check)?;
        let Some(incident) = self.ledger.row(fingerprint).and_then(|row| row.incident.as_ref()) else {
            return Some("there is no incident".to_owned());
        };
        let Stands::Resolved { proved_at, how, .. } = &incident.state else {
            let knows = incident
                .causes
                .get(&Cause::ConfigRule(check.rule()))
                .is_some_and(|record| record.state == CauseState::Violated);
            let is_a_persons = incident.causes.contains_key(&Cause::Person);
            return (!knows && !is_a_persons).then(|| format!("incident {} does not know", incident.id));
        };
        let is_settled = complaint.at <= *proved_at || *how == Resolution::ByPerson;
        (!is_settled).then(|| format!("incident {} is resolved: {how:?}", incident.id))
    }

    /// Every change was told to machines, and the last one to people.
    fn untold_change(&self) -> Option<String> {
        self.ledger.incidents().find_map(|incident| {
            let mut people_know = false;
            let mut last_for_people = None;
            for number in 1..=incident.occasions {
                let id = effect_key(&incident.id, incident.opened_at, &format!("change/{number}")).to_string();
                let Some(change) = self.messages.events.get(&id) else {
                    return (!self.refusals.contains("put event"))
                        .then(|| format!("change {number} of incident {} was not told to machines", incident.id));
                };
                people_know |= !matches!(change, Change::Suppressed | Change::Resolved);
                if people_know {
                    last_for_people = Some((number, id));
                }
            }
            let (number, id) = last_for_people.filter(|_| incident.gathering.is_none())?;
            (!self.messages.notifications.contains(&id) && !self.refusals.contains("publish"))
                .then(|| format!("change {number} of incident {} was not told to people", incident.id))
        })
    }

    /// One OpsItem for each incident that has one of its own, in step with it.
    fn wrong_ops_item(&self) -> Option<String> {
        let mut by_incident: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, item) in &self.ops_center.items {
            if let Some(incident) = item.incident() {
                by_incident.entry(incident).or_default().push((id, item));
            }
        }
        if let Some((incident, items)) = by_incident.iter().find(|(_, items)| items.len() > 1) {
            let ids: Vec<_> = items.iter().map(|(id, _)| id.to_string()).collect();
            return Some(format!("incident {incident} has several OpsItems: {}", ids.join(", ")));
        }
        if self.refusals.contains("create OpsItem") || self.refusals.contains("update OpsItem") {
            return None;
        }
        let own = self.ledger.incidents().filter(|incident| incident.people_know && incident.gathering.is_none());
        own.into_iter().find_map(|incident| {
            let Some(items) = by_incident.get(&incident.id) else {
                return Some(format!("incident {} has no OpsItem", incident.id));
            };
            let (id, item) = items.first()?;
            let route = self.scene.routes.iter().find(|route| route.name == incident.route)?;
            let content = OpsItemContent::of(incident, route, &self.scene.place());
            if item.says("mend/state") != Some(state_name(&incident.state)) {
                return Some(format!(
                    "OpsItem {id} says {:?}, and incident {} is {}",
                    item.says("mend/state"),
                    incident.id,
                    state_name(&incident.state)
                ));
            }
            (!item.set_by_person && item.content.status != content.status)
                .then(|| format!("OpsItem {id} is {:?}, and should be {:?}", item.content.status, content.status))
        })
    }

    /// A gathering has an OpsItem, and knows how its incidents stand.
    fn wrong_gathering(&self) -> Option<String> {
        for (id, (gathering, members)) in &self.ledger.gatherings {
            if gathering.ops_item.is_none() && !self.refusals.contains("create OpsItem") {
                return Some(format!("gathering {id} has no OpsItem"));
            }
            for (fingerprint, member) in members {
                let Some(incident) = self.ledger.row(fingerprint).and_then(|row| row.incident.as_ref()) else {
                    return Some(format!("gathering {id} knows of {fingerprint}, and the ledger does not"));
                };
                let is_of_it = incident.id == member.incident && incident.gathering.as_ref() == Some(id);
                if is_of_it && member.state != state_name(&incident.state) {
                    return Some(format!(
                        "gathering {id} says that incident {} is {}; it is {}",
                        incident.id,
                        member.state,
                        state_name(&incident.state)
                    ));
                }
            }
        }
        None
    }

    /// What the ledger has counted is what happened.
    fn wrong_count(&self) -> Option<String> {
        for route in &self.scene.routes {
            let counted =
                self.ledger.counts.iter().filter(|((of, _), _)| *of == route.name).map(|(_, counts)| *counts);
            let (mut ended, mut failed, mut starts, mut opened) = (0, 0, 0, 0);
            for counts in counted {
                ended += counts.ended;
                failed += counts.failed;
                starts += counts.starts;
                opened += counts.opened;
                if opened > 0 && counts.opened > self.scene.storm_threshold {
                    return Some(format!("{} OpsItems in an hour for {}", counts.opened, route.name));
                }
            }
            let incidents: Vec<_> =
                self.ledger.incidents().filter(|incident| incident.route == route.name).collect();
            let finished = || incidents.iter().flat_map(|incident| &incident.finished);
            let really_ended = finished()
                .filter(|finished| match finished.outcome {
                    Outcome::Remediated | Outcome::AlreadyCompliant | Outcome::Failed(_) | Outcome::TimedOut => {
                        true
                    }
                    // These say nothing about whether the route's repairs work.
                    Outcome::Cancelled | Outcome::NotApproved(_) | Outcome::HeldBack(_) => false,
                })
                .count();
            let really_failed = finished().filter(|finished| finished.outcome.is_failure()).count();
            let really_opened =
                incidents.iter().filter(|incident| incident.people_know && incident.gathering.is_none()).count();
            let really_booked = self.ledger.booked.iter().filter(|booked| booked.route == route.name).count();
            let counts =
                [(ended, really_ended), (failed, really_failed), (starts, really_booked), (opened, really_opened)];
            if counts.iter().any(|(counted, really)| usize::try_from(*counted) != Ok(*really)) {
                return Some(format!(
                    "the ledger has counted (ended, failed, started, OpsItems) of {} wrongly: (counted, really) {counts:?}",
                    route.name
                ));
            }
            let runs = self.automation.runs.values().filter(|run| run.plan.runbook == route.runbook);
            let started = runs
                .filter(|run| !matches!(run.kind, crate::account::automation::Kind::Repair { parent: Some(_) }))
                .count();
            if started > really_booked {
                return Some(format!(
                    "{started} executions of {} were started, and {really_booked} booked",
                    route.name
                ));
            }
        }
        None
    }

    /// After every failed attempt somebody has looked whether the breaker opens, and has opened it if so.
    fn breaker_left_closed(&self) -> Option<String> {
        if let Some(route) = self.ledger.failures_unseen.first() {
            return Some(format!("an attempt of {route} failed, and nobody looked whether the breaker opens"));
        }
        let never_opened =
            |scope: &&Scope| !self.parameters.was_ever_set(&breaker_parameter(self.scene.environment, scope));
        let scope = self.ledger.tripped.iter().find(never_opened)?;
        Some(format!("enough attempts have failed, and breaker {scope} was never opened"))
    }
}
