//! Runbooks: their versions, their starts, and what their executions say of themselves.

mod request;

use std::time::Duration;

use aws_sdk_ssm::error::BuildError;
use aws_sdk_ssm::operation::get_automation_execution::GetAutomationExecutionError;
use aws_sdk_ssm::operation::start_automation_execution::StartAutomationExecutionError;
use aws_sdk_ssm::operation::stop_automation_execution::StopAutomationExecutionError;
use aws_sdk_ssm::types::{
    AutomationExecutionFilter, AutomationExecutionFilterKey, AutomationExecutionStatus, StepExecution, StopType,
    Tag,
};
use mend_core::automation::{APPROVE_AND_RUN, AlarmName, DocumentVersion, ExecutionId, RunbookName};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::report::ApprovalRequest;
use mend_core::time::Timestamp;
use mend_responder::world::{Automation, Clock, Launch};
use mend_responder::{CallError, Execution};
use thiserror::Error;

use self::request::Parameters;
use crate::Aws;
use crate::failure::failure;

/// The tag that names the incident.
const INCIDENT: &str = "mend:incident";
/// So far may AWS's clock be behind the function's.
const CLOCK_DIFFERENCE: Duration = Duration::from_mins(1);

/// An answer that lacks what it should carry.
#[derive(Debug, Error)]
#[error("the answer carries no {0}")]
struct Lacks(&'static str);

impl<C: Clock> Automation for Aws<C> {
    async fn version(&self, runbook: &RunbookName) -> Result<DocumentVersion, CallError> {
        if let Some(version) = self.versions.get(runbook, self.now()) {
            return Ok(version);
        }
        let attempted = || format!("look up the version of {runbook}");
        let asked_at = self.now();
        let answer = self
            .clients
            .ssm
            .describe_document()
            .name(runbook.as_str())
            .send()
            .await
            .map_err(|error| failure(attempted(), REMEDY, error))?;
        let version = answer.document.and_then(|document| document.default_version);
        let version = version
            .and_then(|version| DocumentVersion::new(version).ok())
            .ok_or_else(|| CallError::lasting(attempted(), REMEDY, Lacks("default version")))?;
        self.versions.put(runbook.clone(), asked_at, version.clone());
        Ok(version)
    }

    async fn start(&self, launch: &Launch<'_>) -> Result<Option<ExecutionId>, CallError> {
        let Launch { plan, incident, attempt, client_token } = launch;
        self.launch(Started {
            attempted: format!("start {} for incident {incident}, attempt {attempt}", plan.runbook),
            document: &plan.runbook,
            version: &plan.version,
            token: client_token,
            parameters: request::of_launch(launch),
            tags: request::tags(&incident.to_string(), &attempt.to_string()),
            alarm: plan.alarm.as_ref(),
        })
        .await
    }

    async fn ask(&self, request: &ApprovalRequest) -> Result<Option<ExecutionId>, CallError> {
        let version = self.version(&APPROVE_AND_RUN).await?;
        let attempt = request.attempt.number.to_string();
        let incident = request.texts.get("Incident").map(String::as_str).unwrap_or_default();
        self.launch(Started {
            attempted: format!("ask for approval of attempt {attempt} at incident {incident}"),
            document: &APPROVE_AND_RUN,
            version: &version,
            token: &request.client_token,
            parameters: request::of_request(request, &self.names),
            tags: request::tags(incident, &attempt),
            alarm: request.attempt.plan.alarm.as_ref(),
        })
        .await
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), CallError> {
        let request = self.clients.ssm.stop_automation_execution().automation_execution_id(id.as_str());
        match request.r#type(StopType::Cancel).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(is_over) => Ok(()),
            Err(error) => Err(failure(format!("stop the execution {id}"), STOP, error)),
        }
    }

    async fn execution(&self, id: &ExecutionId) -> Result<Option<Execution>, CallError> {
        let attempted = || format!("read the execution {id}");
        let request = self.clients.ssm.get_automation_execution().automation_execution_id(id.as_str());
        let execution = match request.send().await {
            Ok(answer) => answer.automation_execution,
            Err(error) if error.as_service_error().is_some_and(is_unknown) => return Ok(None),
            Err(error) => return Err(failure(attempted(), LOOK, error)),
        };
        let execution = execution.ok_or_else(|| CallError::lasting(attempted(), LOOK, Lacks("execution")))?;
        let ended_at = execution.execution_end_time();
        Ok(Some(Execution {
            ended_at: ended_at.and_then(|time| time.to_millis().ok()).map(Timestamp::from_milliseconds),
            status: execution
                .automation_execution_status()
                .map(AutomationExecutionStatus::as_str)
                .unwrap_or_default()
                .to_owned(),
            document: execution.document_name.unwrap_or_default(),
            parameters: execution.parameters.unwrap_or_default(),
            outputs: execution.outputs.unwrap_or_default(),
            failure: execution.failure_message,
            parent: execution.parent_automation_execution_id.and_then(|id| ExecutionId::new(id).ok()),
            steps: execution.step_executions.unwrap_or_default().into_iter().filter_map(step).collect(),
        }))
    }

    async fn find_execution(
        &self,
        document: &RunbookName,
        incident: &IncidentId,
        attempt: AttemptNumber,
        since: Timestamp,
    ) -> Result<Option<ExecutionId>, CallError> {
        let attempted = || format!("find the execution of {document} for incident {incident}, attempt {attempt}");
        let filter = |key, value: String| {
            let filter = AutomationExecutionFilter::builder().key(key).values(value).build();
            filter.map_err(|error| CallError::lasting(attempted(), LOOK, error))
        };
        let mut pages = self
            .clients
            .ssm
            .describe_automation_executions()
            .filters(filter(AutomationExecutionFilterKey::DocumentNamePrefix, document.to_string())?)
            .filters(filter(AutomationExecutionFilterKey::TagKey, INCIDENT.to_owned())?)
            .filters(filter(
                AutomationExecutionFilterKey::StartTimeAfter,
                since.minus(CLOCK_DIFFERENCE).to_string(),
            )?)
            .into_paginator()
            .items()
            .send();
        while let Some(listed) = pages.next().await {
            let listed = listed.map_err(|error| failure(attempted(), LOOK, error))?;
            let Some(id) = listed.automation_execution_id.and_then(|id| ExecutionId::new(id).ok()) else {
                continue;
            };
            // The list shows neither tags nor parameters.
            let Some(execution) = self.execution(&id).await? else { continue };
            let says = |name: &str, value: String| {
                execution.parameters.get(name).and_then(|values| values.first()) == Some(&value)
            };
            let is_it = execution.document == document.as_str();
            if is_it && says("Incident", incident.to_string()) && says("Attempt", attempt.to_string()) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

fn is_unknown(error: &GetAutomationExecutionError) -> bool {
    error.is_automation_execution_not_found_exception()
}

fn is_over(error: &StopAutomationExecutionError) -> bool {
    error.is_automation_execution_not_found_exception() || error.is_invalid_automation_status_update_exception()
}

fn step(step: StepExecution) -> Option<(String, String)> {
    Some((step.step_name?, step.step_status?.as_str().to_owned()))
}

/// A start, of whatever document.
struct Started<'a> {
    attempted: String,
    document: &'a RunbookName,
    version: &'a DocumentVersion,
    token: &'a str,
    parameters: Parameters,
    tags: Result<Vec<Tag>, BuildError>,
    alarm: Option<&'a AlarmName>,
}

impl<C: Clock> Aws<C> {
    async fn launch(&self, start: Started<'_>) -> Result<Option<ExecutionId>, CallError> {
        let attempted = start.attempted;
        let built = |error| CallError::lasting(attempted.as_str(), REMEDY, error);
        let answer = self
            .clients
            .ssm
            .start_automation_execution()
            .document_name(start.document.as_str())
            .document_version(start.version.as_str())
            .client_token(start.token)
            .set_parameters(Some(start.parameters))
            .set_tags(Some(start.tags.map_err(built)?))
            .set_alarm_configuration(start.alarm.map(request::alarm).transpose().map_err(built)?)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let id = answer.automation_execution_id.and_then(|id| ExecutionId::new(id).ok());
                id.map(Some).ok_or_else(|| CallError::lasting(attempted, REMEDY, Lacks("execution id")))
            }
            Err(error) => match error.as_service_error() {
                // The token is taken, so the attempt was started. Its outcome names incident and attempt.
                Some(StartAutomationExecutionError::IdempotentParameterMismatch(_)) => Ok(None),
                _ => Err(failure(attempted, REMEDY, error)),
            },
        }
    }
}

const LOOK: &str =
    "check that it exists here, not longer than 30 days ago, and that the function's role may read executions";
const REMEDY: &str = "check that the runbook is deployed, that its role trusts ssm.amazonaws.com, and that the function may pass it";
const STOP: &str = "check that the function's role may call ssm:StopAutomationExecution on it, or stop it by hand";
