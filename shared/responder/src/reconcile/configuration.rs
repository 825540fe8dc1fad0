//! AWS Config: what it finds wrong, or right again, and no event has told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mend_core::identity::Fingerprint;
use mend_core::incident::{Incident, Resolution, State};
use mend_core::policy::Routing;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{Cause, CauseState, ConfigRuleName, Freshness, Signal};
use mend_core::time::Timestamp;

use super::{Open, Run, Share};
use crate::error::CallError;
use crate::world::{Evaluation, News, Row, ToldAt, World};

/// A rule that no longer speaks of a resource has so much time to say why.
const SILENCE: Duration = Duration::from_mins(10);

/// What Config finds non-compliant.
#[derive(Default)]
struct Complaints {
    /// By rule, of the rules that were asked about to the end.
    resources: BTreeMap<ConfigRuleName, BTreeSet<(ResourceType, ResourceId)>>,
    /// The other rules that complain.
    not_asked: BTreeSet<ConfigRuleName>,
}

impl<W: World> Run<'_, '_, W> {
    /// Hears what Config finds wrong, from a rule on, then asks about what it has stopped to complain about. Comes
    /// back with the rule that is next.
    pub(super) async fn ask_config(
        &mut self,
        open: &Open,
        from: Option<ConfigRuleName>,
    ) -> Option<ConfigRuleName> {
        let rules = match self.responder.world.complaining_rules().await {
            Ok(rules) => rules,
            Err(error) => {
                self.failed(&error);
                return from;
            }
        };
        let rules = rules.into_iter().filter(|rule| self.responder.policy.knows(rule)).collect();
        let (complaints, next) = self.hear_complaints(rules, from, open).await;
        self.hear_silence(&complaints, open).await;
        next
    }

    async fn hear_complaints(
        &mut self,
        rules: BTreeSet<ConfigRuleName>,
        from: Option<ConfigRuleName>,
        open: &Open,
    ) -> (Complaints, Option<ConfigRuleName>) {
        let mut complaints = Complaints { not_asked: rules.clone(), ..Complaints::default() };
        let mut rules = rules.into_iter().skip_while(|rule| from.as_ref().is_some_and(|from| rule < from));
        while let Some(rule) = rules.next() {
            match self.hear_rule(&rule, open).await {
                Ok(Some(resources)) => {
                    complaints.not_asked.remove(&rule);
                    complaints.resources.insert(rule, resources);
                }
                // The next run begins with the rule after it, so that no rule keeps the others waiting.
                Ok(None) => return (complaints, rules.next()),
                Err(error) => self.failed(&error),
            }
        }
        (complaints, None)
    }

    /// All that the rule finds; nothing if the time is over before that.
    async fn hear_rule(
        &mut self,
        rule: &ConfigRuleName,
        open: &Open,
    ) -> Result<Option<BTreeSet<(ResourceType, ResourceId)>>, CallError> {
        let mut resources = BTreeSet::new();
        let mut page = None;
        loop {
            let found = self.responder.world.complaints(rule, page).await?;
            for evaluation in found.evaluations {
                if self.time_is_over(Share::Whole) {
                    return Ok(None);
                }
                resources.insert((evaluation.kind.clone(), evaluation.id.clone()));
                if let Some(signal) = self.signal_of(evaluation) {
                    self.hear_complaint(signal, open).await;
                }
            }
            match found.next {
                Some(next) => page = Some(next),
                None => return Ok(Some(resources)),
            }
        }
    }

    async fn hear_complaint(&mut self, signal: Signal, open: &Open) {
        let Routing::To(route) = self.responder.policy.routing(&signal) else { return };
        let fingerprint = Fingerprint::of(&signal.resource, &route.problem);
        let is_full = self.done.opened >= self.limits.new_incidents;
        let is_touched = self.touched.contains(&fingerprint);
        let row = match open.rows.get(&fingerprint).filter(|_| !is_touched) {
            Some(row) => Some(row.clone()),
            // Not worth a call: if it is to be opened, the next run does that.
            None if is_full && !is_touched => {
                self.done.more_to_open = true;
                return;
            }
            None => match self.responder.world.read(&fingerprint).await {
                Ok(row) => row,
                Err(error) => {
                    self.failed(&error);
                    return;
                }
            },
        };
        if row.as_ref().is_some_and(|row| row.knows(&News::Signal(signal.clone()))) {
            return;
        }
        let incident = row.as_ref().and_then(|row| row.incident.as_ref());
        if incident.is_some_and(|incident| is_a_persons(incident, &signal.cause)) {
            return;
        }
        if incident.is_none_or(|incident| incident.state.is_over()) {
            if is_full {
                self.done.more_to_open = true;
                return;
            }
            self.done.opened += 1;
        }
        self.touched.insert(fingerprint);
        let answer = self.responder.signal(signal).await;
        self.carried(answer.map(Some));
    }

    /// Nothing for lack of data.
    fn signal_of(&self, evaluation: Evaluation) -> Option<Signal> {
        let place = &self.responder.stack.place;
        Some(Signal {
            cause: Cause::ConfigRule(evaluation.rule),
            resource: Resource {
                account: place.account.clone(),
                region: place.region.clone(),
                kind: evaluation.kind,
                id: evaluation.id,
            },
            state: evaluation.state?,
            at: evaluation.told_at.at,
            recorded_at: evaluation.told_at.recorded_at,
            // Config says it now, however long it has been so.
            freshness: Freshness::Live,
            changed_by: None,
        })
    }

    /// Causes that Config does not name any more: it is asked about the resource, and its word is taken in.
    async fn hear_silence(&mut self, complaints: &Complaints, open: &Open) {
        // What this run has touched is looked at again by the next.
        let untouched: Vec<_> =
            open.rows.iter().filter(|(fingerprint, _)| !self.touched.contains(*fingerprint)).collect();
        for (_, row) in untouched {
            for (incident, rule) in silent(row, complaints) {
                if self.time_is_over(Share::Whole) {
                    return;
                }
                if !self.responder.policy.knows(rule) {
                    continue;
                }
                let evaluations = match self.responder.world.evaluations(&incident.resource).await {
                    Ok(evaluations) => evaluations,
                    Err(error) => {
                        self.failed(&error);
                        continue;
                    }
                };
                let now = self.responder.world.now();
                if let Some(signal) = clear_signal(row, incident, rule, &evaluations, now) {
                    self.done.cleared += 1;
                    let answer = self.responder.signal(signal).await;
                    self.carried(answer.map(Some));
                }
            }
        }
    }
}

/// Whether a person has the incident in hand, or has closed it, and this cause has not changed its mind since: that
/// it goes on complaining says nothing new about that. An event would.
fn is_a_persons(incident: &Incident, cause: &Cause) -> bool {
    let said_at = match &incident.state {
        State::Resolved { proved_at, how: Resolution::ByPerson, .. } => *proved_at,
        State::Reopened => match incident.causes.get(&Cause::Person) {
            Some(person) => person.at,
            None => return false,
        },
        State::Resolved {
            how: Resolution::Remediated | Resolution::AlreadyCompliant | Resolution::Cleared,
            ..
        }
        | State::Open
        | State::Observed(_)
        | State::Suppressed
        | State::Deferred { .. }
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated => return false,
    };
    incident.causes.get(cause).is_none_or(|record| record.at <= said_at)
}

/// The incident's causes that complain and that Config does not name.
fn silent<'row>(row: &'row Row, complaints: &Complaints) -> Vec<(&'row Incident, &'row ConfigRuleName)> {
    let Some(incident) = row.incident.as_ref().filter(|incident| !incident.state.is_over()) else {
        return Vec::new();
    };
    let key = (incident.resource.kind.clone(), incident.resource.id.clone());
    let named = |rule| {
        complaints.not_asked.contains(rule)
            || complaints.resources.get(rule).is_some_and(|resources| resources.contains(&key))
    };
    let causes = incident.causes.iter().filter(|(_, record)| record.state == CauseState::Violated);
    causes
        .filter_map(|(cause, _)| match cause {
            Cause::ConfigRule(rule) if !named(rule) => Some((incident, rule)),
            Cause::ConfigRule(_) | Cause::Person => None,
        })
        .collect()
}

/// That the cause has stopped to complain, if Config says so, or has had no word of the rule about the resource for
/// a while.
fn clear_signal(
    row: &Row,
    incident: &Incident,
    rule: &ConfigRuleName,
    evaluations: &[Evaluation],
    now: Timestamp,
) -> Option<Signal> {
    let cause = Cause::ConfigRule(rule.clone());
    let last = incident.causes.get(&cause)?.at;
    let heard = row.heard.get(&cause.key()).copied().unwrap_or(ToldAt { at: last, recorded_at: last });
    let told_at = match evaluations.iter().find(|evaluation| evaluation.rule == *rule) {
        Some(evaluation) => {
            // What is older than the rule's last word has been overtaken by it.
            let cleared = evaluation.state == Some(CauseState::Clear) && evaluation.told_at > heard;
            cleared.then_some(evaluation.told_at)?
        }
        // The rule is gone, or the resource is.
        None => (now.since(heard.recorded_at) > SILENCE).then_some(ToldAt { at: heard.at, recorded_at: now })?,
    };
    Some(Signal {
        cause,
        resource: incident.resource.clone(),
        state: CauseState::Clear,
        at: told_at.at,
        recorded_at: told_at.recorded_at,
        freshness: Freshness::Live,
        changed_by: None,
    })
}
