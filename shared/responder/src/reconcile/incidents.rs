//! Open incidents: what a crash, a throttle or a switch has left, and ends that no event has told.

use mend_core::identity::Fingerprint;
use mend_core::incident::{Attempt, AttemptReport, Incident, Outcome, State};
use mend_core::policy::Policy;
use mend_core::time::Timestamp;

use super::{Run, Share};
use crate::answer::Answer;
use crate::error::{CallError, ResponseError};
use crate::execution::{NoReport, report};
use crate::respond::{PATIENCE, route_of};
use crate::world::{Row, World};

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
            return if row.settled() { Self::Nothing } else { Self::CarryingOn };
        };
        let has_route = route_of(incident, policy).is_some();
        if !row.settled() && has_route {
            return Self::CarryingOn;
        }
        match &incident.state {
            // An attempt that began counts, whatever has become of its route: it holds the resource.
            State::Remediating(attempt) if now.since(attempt.planned_at) > PATIENCE => {
                Self::Outcome(incident, attempt)
            }
            State::Open | State::Observed(_) | State::Suppressed | State::Deferred if has_route => {
                Self::Decision(incident)
            }
            State::Open
            | State::Observed(_)
            | State::Suppressed
            | State::Deferred
            | State::Remediating(_)
            | State::AwaitingApproval(_)
            | State::Escalated
            | State::Reopened
            | State::Resolved { .. } => Self::Nothing,
        }
    }
}

impl<W: World> Run<'_, '_, W> {
    /// Every open incident, from the one after `last` on. Comes back with the one that it has come to.
    pub(super) async fn look_at_incidents(&mut self, last: Option<Fingerprint>) -> Option<Fingerprint> {
        let from_the_beginning = last.is_none();
        let mut after = last;
        let (mut open, mut looked_at) = (0, 0);
        loop {
            let page = match self.responder.world.open_rows(after.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    self.failed(&error);
                    return after;
                }
            };
            for failure in page.not_understood {
                self.failure(failure);
            }
            for (fingerprint, row) in page.rows {
                // At least one, however slow the list was.
                if self.time_is_over(if looked_at == 0 { Share::Whole } else { Share::Half }) {
                    return after;
                }
                looked_at += 1;
                open += usize::from(row.incident.is_some());
                let answer = self.look_at(&fingerprint, &row).await;
                self.carried(answer);
                after = Some(fingerprint);
            }
            if page.next.is_none() {
                self.done.open = from_the_beginning.then_some(open);
                return None;
            }
            after = page.next;
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
                    self.failed(&error);
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
            None => match self.responder.world.find_execution(&incident.id, attempt).await? {
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
