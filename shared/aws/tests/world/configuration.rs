use mend_core::resource::{ResourceId, ResourceType};
use mend_core::signal::{CauseState, ConfigRuleName};
use mend_core::time::Timestamp;
use mend_responder::world::{Configuration, Evaluation, ToldAt};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::samples::resource;
use crate::wire::{Answer, Wire, call};

const REMEDY: &str =
    "check that AWS Config records in this Region, and that the function's role may read what it finds";

fn rule() -> ConfigRuleName {
    ConfigRuleName::from_static("restricted-ssh")
}

fn result(compliance: &str) -> Value {
    json!({
        "EvaluationResultIdentifier": {
            "EvaluationResultQualifier": {
                "ConfigRuleName": "restricted-ssh",
                "ResourceType": "AWS::EC2::SecurityGroup",
                "ResourceId": "sg-0badcafe0badcafe1",
                "EvaluationMode": "DETECTIVE",
            },
            "OrderingTimestamp": 1_772_600_767.5,
        },
        "ComplianceType": compliance,
        "ResultRecordedTime": 1_772_600_768.25,
        "ConfigRuleInvokedTime": 1_772_600_768.0,
    })
}

fn evaluation(state: Option<CauseState>) -> Evaluation {
    Evaluation {
        rule: rule(),
        kind: ResourceType::from_static("AWS::EC2::SecurityGroup"),
        id: ResourceId::from_static("sg-0badcafe0badcafe1"),
        state,
        told_at: ToldAt {
            at: Timestamp::from_milliseconds(1_772_600_767_500),
            recorded_at: Timestamp::from_milliseconds(1_772_600_768_250),
        },
    }
}

#[tokio::test]
async fn lists_the_rules_that_complain_page_by_page() {
    let page = |name: &str, next: Value| {
        Answer::json(&json!({"ComplianceByConfigRules": [{"ConfigRuleName": name}], "NextToken": next}))
    };
    let wire =
        Wire::answering([page("restricted-ssh", json!("2")), page("a\nb", json!("3")), page("b", Value::Null)]);
    let rules = wire.world().complaining_rules().await.unwrap();
    assert_eq!(rules, [rule(), ConfigRuleName::from_static("b")]);
    let list = |fields: Value| call("DescribeComplianceByConfigRule", fields);
    assert_eq!(
        wire.calls()[..2],
        [
            list(json!({"ComplianceTypes": ["NON_COMPLIANT"]})),
            list(json!({"ComplianceTypes": ["NON_COMPLIANT"], "NextToken": "2"})),
        ]
    );
}

#[tokio::test]
async fn asks_what_a_rule_finds_a_page_at_a_time() {
    let wire = Wire::answering([
        Answer::json(&json!({"EvaluationResults": [result("NON_COMPLIANT")], "NextToken": "2"})),
        Answer::json(&json!({"EvaluationResults": []})),
    ]);
    let world = wire.world();
    let first = world.complaints(&rule(), None).await.unwrap();
    assert_eq!(first.evaluations, [evaluation(Some(CauseState::Violated))]);
    let second = world.complaints(&rule(), first.next).await.unwrap();
    assert!(second.evaluations.is_empty() && second.next.is_none());
    let asked = json!({"ConfigRuleName": "restricted-ssh", "ComplianceTypes": ["NON_COMPLIANT"], "Limit": 100});
    let mut next = asked.clone();
    next["NextToken"] = json!("2");
    let operation = "GetComplianceDetailsByConfigRule";
    assert_eq!(wire.calls(), [call(operation, asked), call(operation, next)]);
}

#[tokio::test]
async fn a_rule_that_is_gone_complains_about_nothing() {
    let wire = Wire::answering([Answer::error(400, "NoSuchConfigRuleException")]);
    assert!(wire.world().complaints(&rule(), None).await.unwrap().evaluations.is_empty());
}

#[tokio::test]
async fn asks_what_the_rules_say_about_a_resource() {
    let answer = |results: &[&str], next: Value| {
        let results: Vec<_> = results.iter().map(|compliance| result(compliance)).collect();
        Answer::json(&json!({"EvaluationResults": results, "NextToken": next}))
    };
    let wire = Wire::answering([
        answer(&["COMPLIANT", "INSUFFICIENT_DATA"], json!("2")),
        answer(&["NOT_APPLICABLE", "NON_COMPLIANT", "SOMETHING_NEW"], json!("")),
    ]);
    let said = wire.world().evaluations(&resource()).await.unwrap();
    let expected =
        [Some(CauseState::Clear), None, Some(CauseState::Clear), Some(CauseState::Violated), None].map(evaluation);
    assert_eq!(said, expected);
    let asked = json!({"ResourceType": "AWS::EC2::SecurityGroup", "ResourceId": "sg-0badcafe0badcafe1"});
    assert_eq!(wire.calls()[0], call("GetComplianceDetailsByResource", asked));
    assert_eq!(wire.calls().len(), 2, "an empty token is none");
}

#[tokio::test]
async fn an_evaluation_that_lacks_something_says_nothing() {
    for missing in ["EvaluationResultIdentifier", "ComplianceType"] {
        let mut broken = result("NON_COMPLIANT");
        broken.as_object_mut().unwrap().remove(missing);
        let wire = Wire::answering([Answer::json(&json!({"EvaluationResults": [broken]}))]);
        assert!(wire.world().evaluations(&resource()).await.unwrap().is_empty(), "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let operation = |attempted| Operation {
        attempted,
        remedy: REMEDY,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    };
    operation("ask AWS Config which rules complain")
        .fails_well(async |world| world.complaining_rules().await)
        .await;
    operation("ask AWS Config what restricted-ssh finds")
        .fails_well(async |world| world.complaints(&rule(), None).await)
        .await;
    operation("ask AWS Config about sg-0badcafe0badcafe1")
        .fails_well(async |world| world.evaluations(&resource()).await)
        .await;
}
