//! Runbooks: their versions, their starts, and what their executions say of themselves.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_ssm::operation::get_automation_execution::GetAutomationExecutionError;
use aws_sdk_ssm::operation::start_automation_execution::StartAutomationExecutionError;
use aws_sdk_ssm::types::{
    AutomationExecutionFilter, AutomationExecutionFilterKey, AutomationExecutionStatus, Tag,
};
use mend_core::automation::{DocumentVersion, ExecutionId, RunbookName};
use mend_core::identity::IncidentId;
use mend_core::incident::Attempt;
use mend_core::time::Timestamp;
use mend_responder::world::{Automation, Clock, Start};
use mend_responder::{CallError, Execution};
use thiserror::Error;

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
        self.versions.put(runbook, asked_at, &version);
        Ok(version)
    }

    async fn start(&self, start: &Start<'_>) -> Result<Option<ExecutionId>, CallError> {
        let runbook = &start.plan.runbook;
        let attempted = || format!("start {runbook} for incident {}, attempt {}", start.incident, start.attempt);
        let answer = self
            .clients
            .ssm
            .start_automation_execution()
            .document_name(runbook.as_str())
            .document_version(start.plan.version.as_str())
            .client_token(&start.client_token)
            .set_parameters(Some(parameters(start)))
            .set_tags(Some(tags(start).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let id = answer.automation_execution_id.and_then(|id| ExecutionId::new(id).ok());
                id.map(Some).ok_or_else(|| CallError::lasting(attempted(), REMEDY, Lacks("execution id")))
            }
            Err(error) => match error.as_service_error() {
                // The token is taken, so the attempt was started. Its outcome names incident and attempt.
                Some(StartAutomationExecutionError::IdempotentParameterMismatch(_)) => Ok(None),
                _ => Err(failure(attempted(), REMEDY, error)),
            },
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
        }))
    }

    async fn find_execution(
        &self,
        incident: &IncidentId,
        attempt: &Attempt,
    ) -> Result<Option<ExecutionId>, CallError> {
        let runbook = &attempt.plan.runbook;
        let attempted =
            || format!("find the execution of {runbook} for incident {incident}, attempt {}", attempt.number);
        let filter = |key, value: String| {
            let filter = AutomationExecutionFilter::builder().key(key).values(value).build();
            filter.map_err(|error| CallError::lasting(attempted(), LOOK, error))
        };
        let mut pages = self
            .clients
            .ssm
            .describe_automation_executions()
            .filters(filter(AutomationExecutionFilterKey::DocumentNamePrefix, runbook.to_string())?)
            .filters(filter(AutomationExecutionFilterKey::TagKey, INCIDENT.to_owned())?)
            .filters(filter(
                AutomationExecutionFilterKey::StartTimeAfter,
                attempt.planned_at.minus(CLOCK_DIFFERENCE).to_string(),
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
            if says("Incident", incident.to_string()) && says("Attempt", attempt.number.to_string()) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

fn is_unknown(error: &GetAutomationExecutionError) -> bool {
    error.is_automation_execution_not_found_exception()
}

fn parameters(start: &Start<'_>) -> HashMap<String, Vec<String>> {
    let own = start.plan.parameters.iter().map(|(name, value)| (name.to_string(), vec![value.clone()]));
    let common = [
        ("AutomationAssumeRole", start.plan.role.to_string()),
        ("Incident", start.incident.to_string()),
        ("Attempt", start.attempt.to_string()),
    ];
    own.chain(common.map(|(name, value)| (name.to_owned(), vec![value]))).collect()
}

fn tags(start: &Start<'_>) -> Result<Vec<Tag>, aws_sdk_ssm::error::BuildError> {
    [
        ("Application", "mend".to_owned()),
        (INCIDENT, start.incident.to_string()),
        ("mend:attempt", start.attempt.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| Tag::builder().key(key).value(value).build())
    .collect()
}

const LOOK: &str =
    "check that it exists here, not longer than 30 days ago, and that the function's role may read executions";
const REMEDY: &str = "check that the runbook is deployed, that its role trusts ssm.amazonaws.com, and that the function may pass it";
