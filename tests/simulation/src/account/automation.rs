//! Systems Manager Automation: one execution for each `ClientToken`, runbooks that take a while and end in any way,
//! and people who are asked for approval.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::automation::{APPROVE_AND_RUN, DocumentVersion, ExecutionId, RunbookName};
use mend_core::budget::Hour;
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::incident::Plan;
use mend_core::report::ApprovalRequest;
use mend_core::time::Timestamp;
use mend_responder::world::{Automation, Launch};
use mend_responder::{CallError, Execution};
use serde_json::json;

use super::{Hands, State};
use crate::functions::Function;
use crate::happenings::Happening;
use crate::invariants::starts::Started;
use crate::scene::{Check, RESOURCE_PARAMETER, checks_of, number_of};

/// How far lists may be behind.
const LAG: Duration = Duration::from_secs(3);
/// AWS starts one execution a second.
const PACE: Duration = Duration::from_secs(1);
/// A request for approval waits so long.
const PATIENCE: Duration = Duration::from_hours(24);

/// What an execution is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It repairs; after approval it is a child.
    Repair {
        /// The execution that asked.
        parent: Option<ExecutionId>,
    },
    /// It asks.
    Request {
        /// What was approved, as soon as it runs.
        child: Option<ExecutionId>,
        /// What the people who are asked will say.
        answer: Reply,
    },
}

/// What people say when they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Yes,
    No,
    Nothing,
}

/// An execution.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) kind: Kind,
    pub(crate) incident: IncidentId,
    pub(crate) attempt: AttemptNumber,
    pub(crate) plan: Plan,
    /// The number of the resource.
    pub(crate) resource: usize,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    status: &'static str,
    /// What `Conclude` puts out.
    outcome: Option<&'static str>,
    failure: Option<String>,
    /// How the step that asks stands.
    asked: Option<&'static str>,
}

impl Run {
    fn document(&self) -> RunbookName {
        match self.kind {
            Kind::Repair { .. } => self.plan.runbook.clone(),
            Kind::Request { .. } => APPROVE_AND_RUN,
        }
    }

    /// Whether it changes, or may change, the resource.
    pub(crate) fn is_repairing(&self) -> bool {
        matches!(self.kind, Kind::Repair { .. }) && self.ended_at.is_none()
    }

    /// Whether Mend has started it itself, and nobody was asked.
    pub(crate) fn is_mends_own_start(&self) -> bool {
        matches!(self.kind, Kind::Repair { parent: None })
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    pub(crate) runs: BTreeMap<ExecutionId, Run>,
    /// By token: which execution, and what it was started with.
    tokens: BTreeMap<String, (ExecutionId, String)>,
    last_start_at: Option<Timestamp>,
}

impl State<'_> {
    fn start(&mut self, token: &str, run: Run) -> Result<Option<ExecutionId>, CallError> {
        let says = format!("{} {} {} {:?}", run.document(), run.incident, run.attempt, run.plan);
        if let Some((id, said)) = self.automation.tokens.get(token) {
            let (id, same) = (id.clone(), *said == says);
            if !same {
                self.violated(format!(
                    "ClientToken {token} is used for two things: once for {id}, then for {says}"
                ));
            }
            self.tell(|| format!("    started before, as {id}"));
            return Ok(self.scene.tokens_tell_the_execution.then_some(id));
        }
        let is_too_soon = self.automation.last_start_at.is_some_and(|last| self.now.since(last) < PACE);
        if is_too_soon {
            self.tell(|| "    throttled: AWS starts one execution a second".to_owned());
            return Err(CallError::retryable("start an execution", "one was started less than a second ago"));
        }
        let number = self.automation.runs.len() + 1;
        let id = ExecutionId::new(format!("00000000-0000-4000-8000-{number:012}"))
            .map_err(|error| CallError::lasting("start an execution", "correct the simulation", error))?;
        self.tell(|| format!("    execution {number} starts: {says}"));
        self.check_start(&Started {
            incident: run.incident.clone(),
            attempt: run.attempt,
            resource: run.resource,
            runbook: run.plan.runbook.clone(),
            asks: matches!(run.kind, Kind::Request { .. }),
        });
        self.automation.last_start_at = Some(self.now);
        self.automation.tokens.insert(token.to_owned(), (id.clone(), says));
        self.begin(id.clone(), run);
        Ok(Some(id))
    }

    fn begin(&mut self, id: ExecutionId, run: Run) {
        let next = match &run.kind {
            Kind::Repair { .. } => match self.choose(&[10, 10, 1]) {
                0 => self.in_seconds(2, 30),
                1 => self.in_seconds(30, 480),
                _ => self.in_seconds(480, 3_000),
            },
            Kind::Request { answer: Reply::Nothing, .. } => self.now.plus(PATIENCE),
            Kind::Request { .. } => match self.choose(&[10, 5]) {
                0 => self.in_seconds(20, 1_800),
                _ => self.in_seconds(1_800, 80_000),
            },
        };
        self.schedule.at(next, Happening::Execution(id.clone()));
        self.automation.runs.insert(id, run);
    }

    /// An execution comes to its next point: an answer, or its end.
    pub(crate) fn execution_goes_on(&mut self, id: &ExecutionId) {
        let Some(run) = self.automation.runs.get(id).filter(|run| run.ended_at.is_none()).cloned() else { return };
        match &run.kind {
            Kind::Repair { parent } => {
                let (status, outcome) = self.repair(&run);
                self.end(id, status, outcome, None);
                if let Some(parent) = parent {
                    self.end(parent, status, outcome, None);
                }
            }
            Kind::Request { child: Some(_), .. } => {}
            Kind::Request { child: None, answer } => match answer {
                Reply::Yes => self.approved(id, &run),
                Reply::No => {
                    // How AWS shows a no is not documented.
                    let step = if self.choose(&[1, 1]) == 0 { "Rejected" } else { "Failed" };
                    if let Some(run) = self.automation.runs.get_mut(id) {
                        run.failure = Some("The approval was rejected".to_owned());
                    }
                    self.end(id, "Failed", None, Some(step));
                }
                Reply::Nothing => self.end(id, "TimedOut", None, Some("TimedOut")),
            },
        }
    }

    /// The runbook looks, changes, and looks again.
    fn repair(&mut self, run: &Run) -> (&'static str, Option<&'static str>) {
        let checks = self.checks_of_run(run);
        if self.happens(self.faults.repairs_fail) {
            // It has failed before its change, or after it; or it says that it has repaired, and that does not last.
            if self.choose(&[1, 1]) == 1 {
                for check in &checks {
                    self.configuration.set_broken(*check, false);
                }
            }
            return match self.choose(&[4, 1, 1, 1]) {
                0 => ("Failed", None),
                1 => ("TimedOut", None),
                2 => ("Success", None),
                _ => ("Success", Some("Remediated")),
            };
        }
        let is_broken = checks.iter().any(|check| self.configuration.is_broken(*check));
        for check in checks {
            self.configuration.set_broken(check, false);
            let at = self.in_seconds(1, 900);
            self.schedule.at(at, Happening::Look(check));
        }
        ("Success", Some(if is_broken { "Remediated" } else { "AlreadyCompliant" }))
    }

    fn checks_of_run(&self, run: &Run) -> Vec<Check> {
        let route = self.scene.routes.iter().position(|route| route.runbook == run.plan.runbook);
        checks_of(run.resource).into_iter().filter(|check| Some(check.route()) == route).collect()
    }

    /// A person has said yes: the guard rails are asked again, then the child runs.
    fn approved(&mut self, id: &ExecutionId, run: &Run) {
        if let Some(obstacle) = self.obstacle(run) {
            self.tell(|| format!("{id} was approved, but {obstacle}"));
            if let Some(run) = self.automation.runs.get_mut(id) {
                run.failure = Some(format!("Nothing was changed. It was approved, but now {obstacle}."));
            }
            self.end(id, "Failed", None, Some("Success"));
            return;
        }
        let number = self.automation.runs.len() + 1;
        let Ok(child) = ExecutionId::new(format!("00000000-0000-4000-8000-{number:012}")) else { return };
        self.tell(|| format!("execution {id} was approved, and runs {child}"));
        let kind = Kind::Repair { parent: Some(id.clone()) };
        let started = Run { kind, started_at: self.now, asked: None, ..run.clone() };
        if let Some(Run { kind: Kind::Request { child: runs, .. }, asked, .. }) = self.automation.runs.get_mut(id)
        {
            (*runs, *asked) = (Some(child.clone()), Some("Success"));
        }
        self.begin(child, started);
    }

    fn end(
        &mut self,
        id: &ExecutionId,
        status: &'static str,
        outcome: Option<&'static str>,
        asked: Option<&'static str>,
    ) {
        let now = self.now;
        let Some(run) = self.automation.runs.get_mut(id).filter(|run| run.ended_at.is_none()) else { return };
        (run.ended_at, run.status, run.outcome) = (Some(now), status, outcome);
        run.asked = asked.or(run.asked);
        if status == "Failed" {
            run.failure.get_or_insert_with(|| "it did not work".to_owned());
        }
        self.tell(|| format!("execution {id} ends: {status} {}", outcome.unwrap_or_default()));
        self.emit(&Function::AutomationOutcome(id.clone()));
    }

    /// Somebody stops an execution; with it goes its child.
    pub(crate) fn stop(&mut self, id: &ExecutionId) {
        let Some(run) = self.automation.runs.get(id) else { return };
        let (child, asked) = match &run.kind {
            Kind::Repair { .. } => (None, None),
            Kind::Request { child: None, .. } => (None, Some("Cancelled")),
            Kind::Request { child, .. } => (child.clone(), None),
        };
        let parent = match &run.kind {
            Kind::Repair { parent } => parent.clone(),
            Kind::Request { .. } => None,
        };
        self.end(id, "Cancelled", None, asked);
        for other in [child, parent].into_iter().flatten() {
            self.end(&other, "Cancelled", None, None);
        }
    }

    /// What Automation says of an execution.
    fn describe(&self, id: &ExecutionId) -> Option<Execution> {
        let run = self.automation.runs.get(id)?;
        let mut parameters = BTreeMap::from([
            ("Incident".to_owned(), run.incident.to_string()),
            ("Attempt".to_owned(), run.attempt.to_string()),
        ]);
        let own = run.plan.parameters.iter().map(|(name, value)| (name.to_string(), value.clone()));
        let mut outputs = Vec::new();
        let mut steps = BTreeMap::new();
        let mut parent = None;
        match &run.kind {
            Kind::Repair { parent: asked } => {
                parameters.extend(own);
                parent.clone_from(asked);
            }
            Kind::Request { child, .. } => {
                let own: BTreeMap<_, _> = own.collect();
                parameters.insert("RunbookName".to_owned(), run.plan.runbook.to_string());
                parameters.insert("RunbookParameters".to_owned(), json!(own).to_string());
                outputs.extend(child.iter().map(|child| ("Run.ExecutionId", child.to_string())));
                steps.insert("RequestApproval".to_owned(), run.asked.unwrap_or("Waiting").to_owned());
                let ask_again = match (run.asked, child) {
                    (Some("Success"), None) => "Failed",
                    (Some("Success"), Some(_)) => "Success",
                    _ => "Pending",
                };
                steps.insert("AskAgain".to_owned(), ask_again.to_owned());
            }
        }
        if let Some(outcome) = run.outcome {
            outputs.push(("Conclude.Outcome", outcome.to_owned()));
            outputs.push(("Conclude.Changes", "Changed what was wrong".to_owned()));
            outputs.push(("Look.BeforeState", "{}".to_owned()));
        }
        Some(Execution {
            document: run.document().to_string(),
            status: run.status.to_owned(),
            parameters: parameters.into_iter().map(|(name, value)| (name, vec![value])).collect(),
            outputs: outputs.into_iter().map(|(name, value)| (name.to_owned(), vec![value])).collect(),
            ended_at: run.ended_at,
            failure: run.failure.clone(),
            parent,
            steps,
        })
    }

    fn run_of(&mut self, kind: Kind, incident: IncidentId, attempt: AttemptNumber, plan: &Plan) -> Run {
        let id = plan.parameters.get(&RESOURCE_PARAMETER).map_or("", String::as_str);
        Run {
            kind,
            incident,
            attempt,
            plan: plan.clone(),
            resource: number_of(id),
            started_at: self.now,
            ended_at: None,
            status: "InProgress",
            outcome: None,
            failure: None,
            asked: None,
        }
    }

    /// How many executions that Mend has started in an hour of the clock, by what was booked.
    pub(crate) fn booked_in(&self, route: &mend_core::policy::RouteName, hour: Hour) -> usize {
        self.ledger.booked.iter().filter(|booked| booked.route == *route && booked.hour == hour).count()
    }
}

impl Automation for Hands<'_, '_> {
    async fn version(&self, _: &RunbookName) -> Result<DocumentVersion, CallError> {
        self.call("version", |_| Ok(DocumentVersion::from_static("3"))).await
    }

    async fn start(&self, launch: &Launch<'_>) -> Result<Option<ExecutionId>, CallError> {
        self.call("start", |state| {
            let kind = Kind::Repair { parent: None };
            let run = state.run_of(kind, launch.incident.clone(), launch.attempt, launch.plan);
            state.start(&launch.client_token, run)
        })
        .await
    }

    async fn ask(&self, request: &ApprovalRequest) -> Result<Option<ExecutionId>, CallError> {
        self.call("ask for approval", |state| {
            let Some(Ok(incident)) = request.texts.get("Incident").map(|text| text.parse()) else {
                state.violated(format!("a request for approval names no incident: {request:?}"));
                return Ok(None);
            };
            let answer = match state.choose(&[6, 2, 1]) {
                0 => Reply::Yes,
                1 => Reply::No,
                _ => Reply::Nothing,
            };
            let kind = Kind::Request { child: None, answer };
            let run = state.run_of(kind, incident, request.attempt.number, &request.attempt.plan);
            state.start(&request.client_token, run)
        })
        .await
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), CallError> {
        self.call("stop", |state| {
            state.stop(id);
            Ok(())
        })
        .await
    }

    async fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CallError> {
        self.call("read execution", |state| Ok(state.describe(id))).await
    }

    async fn find_execution(
        &self,
        document: &RunbookName,
        incident: &IncidentId,
        attempt: AttemptNumber,
        since: Timestamp,
    ) -> Result<Option<ExecutionId>, CallError> {
        self.call("find execution", |state| {
            let found = state.automation.runs.iter().find(|(_, run)| {
                run.document() == *document
                    && run.incident == *incident
                    && run.attempt == attempt
                    && run.started_at >= since
            });
            let found = found.map(|(id, run)| (id.clone(), run.started_at));
            Ok(match found {
                Some((_, at)) if state.now.since(at) < LAG && state.happens(state.faults.lists_lag) => None,
                Some((id, _)) => Some(id),
                None => None,
            })
        })
        .await
    }
}
