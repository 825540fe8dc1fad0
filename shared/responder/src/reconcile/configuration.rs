//! AWS Config: what it finds wrong, or right again, and no event has told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mend_core::identity::Fingerprint;
use mend_core::incident::{Incident, Resolution, State};
use mend_core::policy::Routing;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{Cause, CauseState, ConfigRuleName, Freshness, Signal};
use mend_core::time::Timestamp;

use super::{Run, Stop};
use crate::error::CallError;
use crate::world::{Evaluation, News, Position, Row, ToldAt, World};

/// A rule that no longer speaks of a resource has so much time to say why.
const SILENCE: Duration = Duration::from_mins(10);

/// What Config finds non-compliant, by rule.
type Complaints = BTreeMap<ConfigRuleName, BTreeSet<(ResourceType, ResourceId)>>;
/// Rows that may need something, as they were a moment ago.
type OpenIncidents = BTreeMap<Fingerprint, Row>;

impl<W: World> Run<'_, '_, W> {
    /// Hears what Config finds wrong, then asks it about what it has stopped to complain about.
    pub(super) async fn ask_config(&mut self, from: Option<ConfigRuleName>) -> Result<(), Stop> {
        let open = self.open_rows().await?;
        let complaints = self.hear_complaints(from, &open).await?;
        self.hear_silence(&complaints, &open).await
    }

    async fn open_rows(&self) -> Result<OpenIncidents, Stop> {
        let mut open = OpenIncidents::new();
        let mut after = None;
        loop {
            let page = self.responder.world.open_rows(after.as_ref()).await?;
            open.extend(page.rows);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(open),
            }
        }
    }

    /// Comes back with everything that Config finds wrong.
    async fn hear_complaints(
        &mut self,
        from: Option<ConfigRuleName>,
        open: &OpenIncidents,
    ) -> Result<Complaints, Stop> {
        let mut found = Complaints::new();
        let rules: BTreeSet<_> = self.responder.world.complaining_rules().await?.into_iter().collect();
        for rule in rules.into_iter().filter(|rule| self.responder.policy.knows(rule)) {
            let resources = found.entry(rule.clone()).or_default();
            let mut page = None;
            loop {
                let complaints = self.responder.world.complaints(&rule, page).await?;
                for evaluation in complaints.evaluations {
                    if self.time_is_over() {
                        return Err(Stop::OutOfTime(Position::Rules(rule)));
                    }
                    resources.insert((evaluation.kind.clone(), evaluation.id.clone()));
                    // The rules before the position have been gone through by the last run.
                    if from.as_ref().is_none_or(|from| rule >= *from) {
                        self.hear_complaint(evaluation, open).await?;
                    }
                }
                match complaints.next {
                    Some(next) => page = Some(next),
                    None => break,
                }
            }
        }
        Ok(found)
    }

    async fn hear_complaint(&mut self, evaluation: Evaluation, open: &OpenIncidents) -> Result<(), CallError> {
        let signal = self.signal_of(evaluation);
        let Routing::To(route) = self.responder.policy.routing(&signal) else { return Ok(()) };
        let fingerprint = Fingerprint::of(&signal.resource, &route.problem);
        let row = match open.get(&fingerprint) {
            Some(row) => Some(row.clone()),
            None => self.responder.world.read(&fingerprint).await?,
        };
        if row.as_ref().is_some_and(|row| row.knows(&News::Signal(signal.clone()))) {
            return Ok(());
        }
        let state = row.as_ref().and_then(|row| row.incident.as_ref()).map(|incident| &incident.state);
        match state {
            // A rule that goes on complaining says nothing new about what a person has closed: an event would.
            Some(State::Resolved { how: Resolution::ByPerson, .. }) => return Ok(()),
            None | Some(State::Resolved { .. }) => {
                if self.done.opened == self.limits.new_incidents {
                    self.done.more_to_open = true;
                    return Ok(());
                }
                self.done.opened += 1;
            }
            Some(
                State::Open
                | State::Observed(_)
                | State::Suppressed
                | State::Deferred
                | State::AwaitingApproval(_)
                | State::Remediating(_)
                | State::Escalated
                | State::Reopened,
            ) => {}
        }
        let answer = self.responder.signal(signal).await;
        self.carried(answer.map(Some));
        Ok(())
    }

    fn signal_of(&self, evaluation: Evaluation) -> Signal {
        let place = &self.responder.stack.place;
        Signal {
            cause: Cause::ConfigRule(evaluation.rule),
            resource: Resource {
                account: place.account.clone(),
                region: place.region.clone(),
                kind: evaluation.kind,
                id: evaluation.id,
            },
            state: evaluation.state,
            at: evaluation.told_at.at,
            recorded_at: evaluation.told_at.recorded_at,
            // Config says it now, however long it has been so.
            freshness: Freshness::Live,
        }
    }

    /// Causes that Config does not name any more: it is asked about the resource, and its word is taken in.
    async fn hear_silence(&mut self, complaints: &Complaints, open: &OpenIncidents) -> Result<(), Stop> {
        for row in open.values() {
            for (incident, rule) in silent(row, complaints) {
                if self.time_is_over() {
                    return Err(Stop::OutOfTime(Position::Start));
                }
                let evaluations = self.responder.world.evaluations(&incident.resource).await?;
                let now = self.responder.world.now();
                if let Some(signal) = clear_signal(row, incident, rule, &evaluations, now) {
                    self.done.cleared += 1;
                    let answer = self.responder.signal(signal).await;
                    self.carried(answer.map(Some));
                }
            }
        }
        Ok(())
    }
}

/// The incident's causes that complain and that Config does not name.
fn silent<'row>(row: &'row Row, complaints: &Complaints) -> Vec<(&'row Incident, &'row ConfigRuleName)> {
    let Some(incident) = &row.incident else { return Vec::new() };
    if matches!(incident.state, State::Resolved { .. }) {
        return Vec::new();
    }
    let key = (incident.resource.kind.clone(), incident.resource.id.clone());
    let named = |rule| complaints.get(rule).is_some_and(|resources| resources.contains(&key));
    let causes = incident.causes.iter().filter(|(_, record)| record.state == CauseState::Violated);
    causes
        .filter_map(|(cause, _)| match cause {
            Cause::ConfigRule(rule) if !named(rule) => Some((incident, rule)),
            Cause::ConfigRule(_) | Cause::Person => None,
        })
        .collect()
}

/// That the cause has cleared, if Config says so or does not know the rule's word about the resource any more.
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
            let cleared = evaluation.state == CauseState::Clear && evaluation.told_at > heard;
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
    })
}
