//! What AWS Config finds.

use aws_sdk_config::operation::get_compliance_details_by_config_rule::GetComplianceDetailsByConfigRuleError;
use aws_sdk_config::types::{ComplianceType, EvaluationResult};
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{CauseState, ConfigRuleName};
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{Complaints, Configuration, Evaluation, ToldAt};

use crate::Aws;
use crate::failure::failure;

/// As many as Config gives at once.
const PAGE: i32 = 100;

impl<C> Configuration for Aws<C> {
    async fn complaining_rules(&self) -> Result<Vec<ConfigRuleName>, CallError> {
        let mut rules = Vec::new();
        let request = self
            .clients
            .config
            .describe_compliance_by_config_rule()
            .compliance_types(ComplianceType::NonCompliant);
        let mut pages = request.into_paginator().items().send();
        while let Some(rule) = pages.next().await {
            let attempted = || "ask AWS Config which rules complain".to_owned();
            let rule = rule.map_err(|error| failure(attempted(), REMEDY, error))?;
            // A name that is none would never be taken by a route.
            rules.extend(rule.config_rule_name.and_then(|name| ConfigRuleName::new(name).ok()));
        }
        Ok(rules)
    }

    async fn complaints(&self, rule: &ConfigRuleName, page: Option<String>) -> Result<Complaints, CallError> {
        let answer = self
            .clients
            .config
            .get_compliance_details_by_config_rule()
            .config_rule_name(rule.as_str())
            .compliance_types(ComplianceType::NonCompliant)
            .limit(PAGE)
            .set_next_token(page)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Complaints {
                evaluations: answer
                    .evaluation_results
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(evaluation)
                    .collect(),
                next: answer.next_token.filter(|token| !token.is_empty()),
            }),
            // Deleted since the rules were listed.
            Err(error) if error.as_service_error().is_some_and(is_gone) => Ok(Complaints::default()),
            Err(error) => Err(failure(format!("ask AWS Config what {rule} finds"), REMEDY, error)),
        }
    }

    async fn evaluations(&self, resource: &Resource) -> Result<Vec<Evaluation>, CallError> {
        let mut evaluations = Vec::new();
        let mut page = None;
        loop {
            let answer = self
                .clients
                .config
                .get_compliance_details_by_resource()
                .resource_type(resource.kind.as_str())
                .resource_id(resource.id.as_str())
                .set_next_token(page)
                .send()
                .await
                .map_err(|error| failure(format!("ask AWS Config about {}", resource.id), REMEDY, error))?;
            evaluations.extend(answer.evaluation_results.unwrap_or_default().into_iter().filter_map(evaluation));
            match answer.next_token.filter(|token| !token.is_empty()) {
                Some(next) => page = Some(next),
                None => return Ok(evaluations),
            }
        }
    }
}

fn is_gone(error: &GetComplianceDetailsByConfigRuleError) -> bool {
    error.is_no_such_config_rule_exception()
}

/// An evaluation of a resource.
fn evaluation(result: EvaluationResult) -> Option<Evaluation> {
    let state = match result.compliance_type?.as_str() {
        "NON_COMPLIANT" => Some(CauseState::Violated),
        "COMPLIANT" | "NOT_APPLICABLE" => Some(CauseState::Clear),
        // Insufficient data, and what Config may say one day.
        _ => None,
    };
    let identifier = result.evaluation_result_identifier?;
    let at = Timestamp::from_milliseconds(identifier.ordering_timestamp?.to_millis().ok()?);
    let recorded_at = result.result_recorded_time.and_then(|time| time.to_millis().ok());
    let qualifier = identifier.evaluation_result_qualifier?;
    Some(Evaluation {
        rule: ConfigRuleName::new(qualifier.config_rule_name?).ok()?,
        kind: ResourceType::new(qualifier.resource_type?).ok()?,
        id: ResourceId::new(qualifier.resource_id?).ok()?,
        state,
        told_at: ToldAt { at, recorded_at: recorded_at.map_or(at, Timestamp::from_milliseconds) },
    })
}

const REMEDY: &str =
    "check that AWS Config records in this Region, and that the function's role may read what it finds";
