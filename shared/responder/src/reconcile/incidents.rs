//! Open incidents: what a crash, a throttle or a switch has left, and ends that no event has told.

use std::time::Duration;

use mend_core::identity::Fingerprint;
use mend_core::incident::{Attempt, AttemptReport, Incident, Outcome, State};
use mend_core::policy::Policy;
use mend_core::time::Timestamp;

use super::{Run, Stop};
use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::execution::{NoReport, report};
use crate::respond::route_of;
use crate::world::{Position, Row, World};

/// An execution's own event has so much time to arrive.
const PATIENCE: Duration = Duration::from_mins(2);

/// What an incident needs that nobody is working on.
#[derive(Debug, PartialEq, Eq)]
enum Need<'row> {
    Nothing,
    /// A crash, a throttle or a switch has left something in the row.
    CarryingOn,
    /// Its attempt has been under way for a while.
    Outcome(&'row Incident, &'row Attempt),
    /// What was decided may be decided otherwise today.
    Decision(&'row Incident),
}

impl<'row> Need<'row> {
    fn of(row: &'row Row, policy: &Policy, now: Timestamp) -> Self {
        if row.is_held(now) {
            return Self::Nothing;
        }
        let Some(incident) = &row.incident else {
            return if row.inbox.is_empty() { Self::Nothing } else { Self::CarryingOn };
        };
        if route_of(incident, policy).is_none() {
            return Self::Nothing;
        }
        if !row.settled() {
            return Self::CarryingOn;
        }
        match &incident.state {
            State::Remediating(attempt) if now.since(attempt.planned_at) > PATIENCE => {
                Self::Outcome(incident, attempt)
            }
            State::Open | State::Observed(_) | State::Suppressed | State::Deferred => Self::Decision(incident),
            State::Remediating(_)
            | State::AwaitingApproval(_)
            | State::Escalated
            | State::Reopened
            | State::Resolved { .. } => Self::Nothing,
        }
    }
}

impl<W: World> Run<'_, '_, W> {
    /// Every open incident, a page at a time, the oldest of a page first.
    pub(super) async fn look_at_incidents(&mut self, mut after: Option<Fingerprint>) -> Result<(), Stop> {
        loop {
            let mut page = self.responder.world.open_rows(after.as_ref()).await?;
            self.done.failures.append(&mut page.not_understood);
            self.done.open += page.rows.iter().filter(|(_, row)| row.incident.is_some()).count();
            page.rows.sort_by_key(|(_, row)| row.incident.as_ref().map(|incident| incident.opened_at));
            for (fingerprint, row) in &page.rows {
                if self.time_is_over() {
                    // The page was in another order: it is looked at again, and what has been done is done.
                    return Err(Stop::OutOfTime(after.map_or(Position::Start, Position::Incidents)));
                }
                let answer = self.look_at(fingerprint, row).await;
                self.carried(answer);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn look_at(&mut self, fingerprint: &Fingerprint, row: &Row) -> Result<Option<Answer>, ResponseError> {
        match Need::of(row, self.responder.policy, self.responder.world.now()) {
            Need::Nothing => Ok(None),
            Need::CarryingOn => {
                self.done.resumed += 1;
                self.responder.resume(fingerprint).await
            }
            Need::Decision(incident) => {
                if !self.responder.would_change(incident).await? {
                    return Ok(None);
                }
                self.done.resumed += 1;
                self.responder.resume(fingerprint).await
            }
            Need::Outcome(incident, attempt) => match self.outcome_of(incident, attempt).await {
                Ok(None) => Ok(None),
                Ok(Some(report)) => {
                    self.done.outcomes += 1;
                    self.responder.outcome(report).await.map(Some)
                }
                Err(error) => {
                    self.done.failures.push(chain(&error));
                    Ok(None)
                }
            },
        }
    }

    /// How the attempt ended, if it has.
    async fn outcome_of(
        &self,
        incident: &Incident,
        attempt: &Attempt,
    ) -> Result<Option<AttemptReport>, CallError> {
        let id = match &attempt.execution {
            Some(id) => id.clone(),
            None => match self.responder.world.find(&incident.id, attempt).await? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        let now = self.responder.world.now();
        match self.responder.world.execution(&id).await? {
            Some(execution) => match report(&id, &execution, now) {
                Ok(report) => Ok(Some(report)),
                Err(NoReport::NotYet | NoReport::NotOurs(_)) => Ok(None),
            },
            None => Ok(Some(AttemptReport {
                incident: incident.id.clone(),
                attempt: attempt.number,
                runbook: attempt.plan.runbook.clone(),
                execution: id,
                parameters: attempt.plan.parameters.clone(),
                outcome: Outcome::failed("Automation no longer knows its execution"),
                ended_at: now,
                changes: None,
                before_state: None,
            })),
        }
    }
}
