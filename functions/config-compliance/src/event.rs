//! From the event to a signal. Pure.

use mend_core::account::{AccountId, Region};
use mend_core::decision::{Decision, Reason, Verdict};
use mend_core::report::Place;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{Cause, CauseState, ConfigRuleName, Signal};
use mend_core::text::InvalidText;
use mend_core::time::Timestamp;
use mend_runtime::event::{MalformedEvent, not_in_the_future, open};
use serde::Deserialize;
use serde_json::Value;

/// The fields that Mend acts on. Config sends more, and may send others tomorrow.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    message_type: String,
    aws_account_id: String,
    aws_region: String,
    resource_type: String,
    resource_id: String,
    config_rule_name: String,
    new_evaluation_result: Evaluation,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evaluation {
    compliance_type: String,
    result_recorded_time: Option<String>,
    #[serde(rename = "evaluationResultIdentifier")]
    identifier: EvaluationIdentifier,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EvaluationIdentifier {
    ordering_timestamp: String,
}

const ORDERING_TIMESTAMP: &str = "detail.newEvaluationResult.evaluationResultIdentifier.orderingTimestamp";

/// Reads the event: a signal, or the decision that there is nothing to answer.
pub(crate) fn parse(
    payload: Value,
    place: &Place,
    now: Timestamp,
) -> Result<Result<Signal, Decision>, MalformedEvent> {
    let opened = match open::<Detail>(payload, "aws.config", "Config Rules Compliance Change", place, now)? {
        Ok(opened) => opened,
        Err(decision) => return Ok(Err(decision)),
    };
    let detail = opened.detail;
    if detail.message_type != "ComplianceChangeNotification" {
        return Err(MalformedEvent::new("detail.messageType", "must be ComplianceChangeNotification"));
    }
    let state = match detail.new_evaluation_result.compliance_type.as_str() {
        "NON_COMPLIANT" => CauseState::Violated,
        "COMPLIANT" | "NOT_APPLICABLE" => CauseState::Clear,
        "INSUFFICIENT_DATA" => return Ok(Err(Decision::new(Verdict::Ignore, Reason::InsufficientData))),
        _ => {
            return Err(MalformedEvent::new(
                "detail.newEvaluationResult.complianceType",
                "must be COMPLIANT, NON_COMPLIANT, NOT_APPLICABLE or INSUFFICIENT_DATA",
            ));
        }
    };
    let at = Timestamp::parse(&detail.new_evaluation_result.identifier.ordering_timestamp)
        .map_err(|error| MalformedEvent::new(ORDERING_TIMESTAMP, error.to_string()))?;
    let recorded_at = match &detail.new_evaluation_result.result_recorded_time {
        Some(text) => Timestamp::parse(text).map_err(|error| {
            MalformedEvent::new("detail.newEvaluationResult.resultRecordedTime", error.to_string())
        })?,
        None => at,
    };
    not_in_the_future(ORDERING_TIMESTAMP, at.max(recorded_at), now)?;
    let account = AccountId::new(detail.aws_account_id)
        .map_err(|error| MalformedEvent::new("detail.awsAccountId", error.to_string()))?;
    if account != place.account {
        return Ok(Err(Decision::new(Verdict::Ignore, Reason::MemberAccount(account))));
    }
    let region = Region::new(detail.aws_region)
        .map_err(|error| MalformedEvent::new("detail.awsRegion", error.to_string()))?;
    if region != place.region {
        // A runbook looks in its own Region, and would find nothing there and nothing wrong.
        return Ok(Err(Decision::new(Verdict::Ignore, Reason::OtherRegion(region))));
    }
    Ok(checked("detail.resourceType", ResourceType::new(detail.resource_type)).and_then(|kind| {
        let id = checked("detail.resourceId", ResourceId::new(detail.resource_id))?;
        let rule = checked("detail.configRuleName", ConfigRuleName::new(detail.config_rule_name))?;
        Ok(Signal {
            cause: Cause::ConfigRule(rule),
            resource: Resource { account, region, kind, id },
            state,
            at,
            recorded_at,
            freshness: opened.freshness,
            changed_by: None,
        })
    }))
}

/// Text that would reach API calls, and that AWS never sends so, is hostile.
fn checked<T>(field: &'static str, text: Result<T, InvalidText>) -> Result<T, Decision> {
    text.map_err(|broken| Decision::new(Verdict::Reject, Reason::Hostile(field, broken)))
}

#[cfg(test)]
mod tests;
