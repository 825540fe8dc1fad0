//! Open incidents: what a crash, a throttle or a switch has left, and ends that no event has told.

use mend_core::automation::ExecutionId;
use mend_core::guard::Refusal;
use mend_core::identity::Fingerprint;
use mend_core::incident::{AttemptReport, Incident, Outcome, State};
use mend_core::policy::Policy;
use mend_core::report::Notice;
use mend_core::time::Timestamp;
use tracing::warn;

use super::{Open, Run, Share};
use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::execution::{Ended, NoReport, report};
use crate::respond::{PATIENCE, Reconsidered, route_of};
use crate::world::{Row, World};

/// What an incident needs that nobody is working on.
#[derive(Debug, PartialEq, Eq)]
enum Need<'row> {
    Nothing,
    /// A crash, a throttle or a switch has left something in the row, or people are to be reminded.
    CarryingOn,
    /// Its attempt has been under way, or its request been waiting, for a while.
    Outcome(&'row Incident),
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
            State::Remediating(attempt) if now.since(attempt.planned_at) > PATIENCE => Self::Outcome(incident),
            State::AwaitingApproval(_) if has_route && incident.is_to_be_reminded(now) => Self::CarryingOn,
            State::AwaitingApproval(attempt) if now.since(attempt.planned_at) > PATIENCE => {
                Self::Outcome(incident)
            }
            State::Open | State::Observed(_) | State::Suppressed if has_route => Self::Decision(incident),
            // What was deferred has a turn of its own, the oldest first.
            State::Deferred { .. }
            | State::Open
            | State::Observed(_)
            | State::Suppressed
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
    pub(super) async fn look_at_incidents(
        &mut self,
        open: &Open,
        last: Option<Fingerprint>,
    ) -> Option<Fingerprint> {
        let mut after = last;
        let rest = open
            .rows
            .iter()
            .skip_while(|(fingerprint, _)| after.as_ref().is_some_and(|last| *fingerprint <= last));
        let rest: Vec<_> = rest.collect();
        for (index, (fingerprint, row)) in rest.into_iter().enumerate() {
            // At least one, however slow the list was.
            if self.time_is_over(if index == 0 { Share::Whole } else { Share::Third }) {
                return after;
            }
            let answer = self.look_at(fingerprint, row).await;
            self.carried(answer);
            after = Some(fingerprint.clone());
        }
        None
    }

    async fn look_at(&mut self, fingerprint: &Fingerprint, row: &Row) -> Result<Option<Answer>, ResponseError> {
        match Need::of(row, self.responder.policy, self.responder.world.now()) {
            Need::CarryingOn => self.resume(fingerprint).await,
            Need::Decision(incident) if self.would_change(incident, None).await? => self.resume(fingerprint).await,
            Need::Nothing | Need::Decision(_) => Ok(None),
            Need::Outcome(incident) => match self.outcome_of(incident).await {
                Ok(None) => Ok(None),
                Ok(Some(ended)) => {
                    self.done.outcomes += 1;
                    self.touched.insert(fingerprint.clone());
                    self.responder.ended(ended).await.map(Some)
                }
                Err(error) => {
                    self.failed(&error);
                    Ok(None)
                }
            },
        }
    }

    pub(super) async fn resume(&mut self, fingerprint: &Fingerprint) -> Result<Option<Answer>, ResponseError> {
        self.done.resumed += 1;
        self.touched.insert(fingerprint.clone());
        self.responder.resume(fingerprint).await
    }

    /// How the attempt or the request for its approval ended, if it has.
    async fn outcome_of(&self, incident: &Incident) -> Result<Option<Ended>, CallError> {
        let Some(attempt) = incident.current_attempt() else { return Ok(None) };
        let Some(id) = self.execution_of(incident).await? else { return Ok(None) };
        let now = self.responder.world.now();
        match self.responder.world.execution(&id).await? {
            Some(execution) => match report(&id, &execution, now) {
                Ok(ended) => Ok(Some(ended)),
                Err(NoReport::NotYet | NoReport::NotOurs(_)) => Ok(None),
            },
            None => Ok(Some(Ended::Attempt(AttemptReport {
                incident: incident.id.clone(),
                attempt: attempt.number,
                runbook: attempt.plan.runbook.clone(),
                request: incident.running().is_none().then(|| id.clone()),
                execution: id,
                parameters: attempt.plan.parameters.clone(),
                outcome: Outcome::failed("Automation no longer knows its execution"),
                ended_at: now,
                changes: None,
                before_state: None,
            }))),
        }
    }

    /// The execution of the attempt under way, or of the request for the approval of the one that waits.
    pub(super) async fn execution_of(&self, incident: &Incident) -> Result<Option<ExecutionId>, CallError> {
        let responder = self.responder;
        if let Some(attempt) = incident.running() {
            if attempt.execution.is_some() {
                return Ok(attempt.execution.clone());
            }
            let (runbook, since) = (&attempt.plan.runbook, attempt.planned_at);
            return responder.world.find_execution(runbook, &incident.id, attempt.number, since).await;
        }
        match &incident.approval {
            Some(approval) => responder.execution_of_request(&incident.id, approval).await,
            None => Ok(None),
        }
    }

    /// Whether deciding again would come to anything else. People are told what they should hear about the exemption
    /// in the resource's tags.
    pub(super) async fn would_change(
        &mut self,
        incident: &Incident,
        refusal: Option<Refusal>,
    ) -> Result<bool, ResponseError> {
        self.keep_switches_fresh().await;
        let Reconsidered { changes, remark } = self.responder.reconsider(incident, refusal).await?;
        if let Some(remark) = remark {
            let place = format!("The tags of {} {}", incident.resource.kind, incident.resource.id);
            // What is told once can be told by the next run.
            if let Err(error) = self.responder.tell_once(&Notice::Remark { place, remark }).await {
                warn!("{}", chain(&error));
            }
        }
        Ok(changes)
    }
}
