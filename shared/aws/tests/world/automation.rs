use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mend_aws::Aws;
use mend_core::automation::{APPROVE_AND_RUN, AlarmName, DocumentVersion, ExecutionId, RunbookName};
use mend_core::identity::{AttemptNumber, IncidentId};
use mend_core::incident::{Attempt, Plan};
use mend_core::report::ApprovalRequest;
use mend_core::time::Timestamp;
use mend_responder::world::{Automation, Launch};
use mend_responder::{CallError, Execution};
use serde_json::{Value, json};

use crate::failures::Operation;
use crate::samples::{EXECUTION, INCIDENT, incident_id, plan, runbook, seconds_ago};
use crate::wire::{Answer, HandClock, Wire, call};

const LOOK: &str =
    "check that it exists here, not longer than 30 days ago, and that the function's role may read executions";
const REMEDY: &str = "check that the runbook is deployed, that its role trusts ssm.amazonaws.com, and that the function may pass it";
const STOP: &str = "check that the function's role may call ssm:StopAutomationExecution on it, or stop it by hand";
const TOKEN: &str = "7f3c5f0e-52ab-5cfd-9cb6-2a1f4a6f0b11";
const PARENT: &str = "99999999-2222-4333-8444-555555555555";
const ID: ExecutionId = ExecutionId::from_static(EXECUTION);

fn start_of<'a>(plan: &'a Plan, incident: &'a IncidentId) -> Launch<'a> {
    Launch { plan, incident, attempt: AttemptNumber::FIRST.next(), client_token: TOKEN.to_owned() }
}

fn described(version: &str) -> Answer {
    Answer::json(&json!({"Document": {"Name": "Mend-CloseAdminPorts", "DefaultVersion": version}}))
}

fn started() -> Answer {
    Answer::json(&json!({"AutomationExecutionId": EXECUTION}))
}

fn describing() -> Operation<'static> {
    Operation {
        attempted: "look up the version of Mend-CloseAdminPorts",
        remedy: REMEDY,
        success: described("3"),
        failure: Answer::error,
    }
}

fn starting() -> Operation<'static> {
    Operation {
        attempted: "start Mend-CloseAdminPorts for incident 0123456789abcdef0123456789abcdef-1, attempt 2",
        remedy: REMEDY,
        success: started(),
        failure: Answer::error,
    }
}

fn reading() -> Operation<'static> {
    Operation {
        attempted: "read the execution 11111111-2222-4333-8444-555555555555",
        remedy: LOOK,
        success: Answer::json(&json!({"AutomationExecution": {}})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn looks_up_the_number_of_the_default_version() {
    let wire = Wire::answering([described("3")]);
    assert_eq!(wire.world().version(&runbook()).await.unwrap(), DocumentVersion::from_static("3"));
    assert_eq!(wire.calls(), [call("DescribeDocument", json!({"Name": "Mend-CloseAdminPorts"}))]);
}

#[tokio::test]
async fn remembers_a_version_for_20_seconds() {
    let wire = Wire::answering([described("3"), described("7"), described("4")]);
    let world = wire.world();
    let version = async |runbook: &RunbookName| world.version(runbook).await.unwrap().to_string();
    assert_eq!(version(&runbook()).await, "3");
    wire.clock.advance(Duration::from_millis(19_999));
    assert_eq!(version(&runbook()).await, "3");
    assert_eq!(version(&RunbookName::from_static("Mend-RestoreAdminPorts")).await, "7", "each runbook by itself");
    wire.clock.advance(Duration::from_millis(1));
    assert_eq!(version(&runbook()).await, "4");
}

#[tokio::test]
async fn a_failed_look_up_is_not_remembered() {
    let wire = Wire::answering([Answer::error(400, "InvalidDocument"), described("3")]);
    let world = wire.world();
    let error = world.version(&runbook()).await.unwrap_err();
    describing().stays(&error, "InvalidDocument");
    assert_eq!(world.version(&runbook()).await.unwrap(), DocumentVersion::from_static("3"));
}

#[tokio::test]
async fn a_version_that_is_no_number_is_refused() {
    for answer in [described("$LATEST"), Answer::json(&json!({"Document": {}})), Answer::json(&json!({}))] {
        let error = Wire::answering([answer]).world().version(&runbook()).await.unwrap_err();
        describing().stays(&error, "the answer carries no default version");
    }
}

#[tokio::test]
async fn starts_the_plan_under_its_token() {
    let wire = Wire::answering([started()]);
    let (plan, incident) = (plan(), incident_id());
    assert_eq!(wire.world().start(&start_of(&plan, &incident)).await.unwrap(), Some(ID));
    let expected = call(
        "StartAutomationExecution",
        json!({
            "DocumentName": "Mend-CloseAdminPorts",
            "DocumentVersion": "3",
            "ClientToken": TOKEN,
            "Parameters": {
                "AutomationAssumeRole": ["arn:aws:iam::123456789012:role/mend-dev-network"],
                "Incident": [INCIDENT],
                "Attempt": ["2"],
                "SecurityGroupId": ["sg-0badcafe0badcafe1"],
            },
            "Tags": [
                {"Key": "Application", "Value": "mend"},
                {"Key": "mend:incident", "Value": INCIDENT},
                {"Key": "mend:attempt", "Value": "2"},
            ],
        }),
    );
    assert_eq!(wire.calls(), [expected]);
}

#[tokio::test]
async fn a_start_whose_token_is_taken_has_been_made_before() {
    let wire = Wire::answering([Answer::error(400, "IdempotentParameterMismatch")]);
    let (plan, incident) = (plan(), incident_id());
    assert_eq!(wire.world().start(&start_of(&plan, &incident)).await.unwrap(), None);
}

#[tokio::test]
async fn a_start_is_judged_by_its_error() {
    let (plan, incident) = (plan(), incident_id());
    let start = start_of(&plan, &incident);
    for code in [
        "AutomationDefinitionNotFoundException",
        "AutomationDefinitionVersionNotFoundException",
        "InvalidAutomationExecutionParametersException",
        "InvalidTarget",
    ] {
        let wire = Wire::answering([Answer::error(400, code)]);
        starting().stays(&wire.world().start(&start).await.unwrap_err(), code);
    }
    let full = "AutomationExecutionLimitExceededException";
    let wire = Wire::answering([Answer::error(400, full)]);
    starting().is_worth_another_try(&wire.world().start(&start).await.unwrap_err(), full);
}

#[tokio::test]
async fn a_start_without_an_execution_id_is_an_error() {
    let (plan, incident) = (plan(), incident_id());
    for answer in [json!({}), json!({"AutomationExecutionId": "none"})] {
        let wire = Wire::answering([Answer::json(&answer)]);
        let error = wire.world().start(&start_of(&plan, &incident)).await.unwrap_err();
        starting().stays(&error, "the answer carries no execution id");
    }
}

#[tokio::test]
async fn a_start_is_stopped_by_the_routes_alarm() {
    let wire = Wire::answering([started()]);
    let (plan, incident) = (Plan { alarm: Some(AlarmName::from_static("orders 5xx")), ..plan() }, incident_id());
    wire.world().start(&start_of(&plan, &incident)).await.unwrap();
    let alarm = &wire.calls()[0].body["AlarmConfiguration"];
    assert_eq!(alarm, &json!({"Alarms": [{"Name": "orders 5xx"}], "IgnorePollAlarmFailure": false}));
}

fn request() -> ApprovalRequest {
    let texts = [
        ("Incident", INCIDENT),
        ("Attempt", "2"),
        ("What", "SSH is open to the world"),
        ("PlanHash", "0000000000000000000000000000000000000000000000000000000000000000"),
        ("SwitchPath", "/mend/dev/"),
    ];
    ApprovalRequest {
        attempt: waiting(),
        client_token: TOKEN.to_owned(),
        minds_calendar: true,
        texts: texts.map(|(name, text)| (name, text.to_owned())).into(),
    }
}

fn asking() -> Operation<'static> {
    Operation {
        attempted: "look up the version of Mend-ApproveAndRun",
        remedy: REMEDY,
        success: described("5"),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn asks_for_approval_of_just_that_plan() {
    let wire = Wire::answering([described("5"), started()]);
    assert_eq!(wire.world().ask(&request()).await.unwrap(), Some(ID));
    let expected = call(
        "StartAutomationExecution",
        json!({
            "DocumentName": "Mend-ApproveAndRun",
            "DocumentVersion": "5",
            "ClientToken": TOKEN,
            "Parameters": {
                "AutomationAssumeRole": ["arn:aws:iam::123456789012:role/mend-dev-approval"],
                "Incident": [INCIDENT],
                "Attempt": ["2"],
                "RunbookName": ["Mend-CloseAdminPorts"],
                "RunbookVersion": ["3"],
                "RunbookRole": ["arn:aws:iam::123456789012:role/mend-dev-network"],
                "RunbookParameters": [r#"{"SecurityGroupId":"sg-0badcafe0badcafe1"}"#],
                "PlanHash": ["0000000000000000000000000000000000000000000000000000000000000000"],
                "Approvers": ["lee", "arn:aws:iam::123456789012:role/operators"],
                "ApprovalTopicArn": ["arn:aws:sns:eu-central-1:123456789012:Automation-mend-dev"],
                "What": ["SSH is open to the world"],
                "SwitchPath": ["/mend/dev/"],
                "ChangeCalendars": ["Freeze", "Holidays"],
            },
            "Tags": [
                {"Key": "Application", "Value": "mend"},
                {"Key": "mend:incident", "Value": INCIDENT},
                {"Key": "mend:attempt", "Value": "2"},
            ],
        }),
    );
    let describe = call("DescribeDocument", json!({"Name": "Mend-ApproveAndRun"}));
    assert_eq!(wire.calls(), [describe, expected]);

    // Without calendars the runbook's default holds.
    let wire = Wire::answering([described("5"), started()]);
    wire.world_with(Vec::new()).ask(&request()).await.unwrap();
    assert_eq!(wire.calls()[1].body["Parameters"].get("ChangeCalendars"), None);

    // An emergency minds none.
    let wire = Wire::answering([described("5"), started()]);
    wire.world().ask(&ApprovalRequest { minds_calendar: false, ..request() }).await.unwrap();
    assert_eq!(wire.calls()[1].body["Parameters"].get("ChangeCalendars"), None);
}

#[tokio::test]
async fn a_request_is_judged_by_its_error() {
    let asking = |attempted| Operation { attempted, ..asking() };
    let attempted = "ask for approval of attempt 2 at incident 0123456789abcdef0123456789abcdef-1";
    let wire = Wire::answering([described("5"), Answer::error(400, "IdempotentParameterMismatch")]);
    assert_eq!(wire.world().ask(&request()).await.unwrap(), None, "asked before");
    let code = "InvalidAutomationExecutionParametersException";
    let wire = Wire::answering([described("5"), Answer::error(400, code)]);
    asking(attempted).stays(&wire.world().ask(&request()).await.unwrap_err(), code);
    let code = "AutomationExecutionLimitExceededException";
    let wire = Wire::answering([described("5"), Answer::error(400, code)]);
    asking(attempted).is_worth_another_try(&wire.world().ask(&request()).await.unwrap_err(), code);
    let wire = Wire::answering([Answer::error(400, "InvalidDocument")]);
    let error = wire.world().version(&APPROVE_AND_RUN).await.unwrap_err();
    asking("look up the version of Mend-ApproveAndRun").stays(&error, "InvalidDocument");
}

fn stopping() -> Operation<'static> {
    Operation {
        attempted: "stop the execution 11111111-2222-4333-8444-555555555555",
        remedy: STOP,
        success: Answer::json(&json!({})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn stops_what_has_not_ended_by_itself() {
    for answer in [
        Answer::json(&json!({})),
        Answer::error(400, "InvalidAutomationStatusUpdateException"),
        Answer::error(400, "AutomationExecutionNotFoundException"),
    ] {
        let wire = Wire::answering([answer]);
        wire.world().stop(&ID).await.unwrap();
        let body = json!({"AutomationExecutionId": EXECUTION, "Type": "Cancel"});
        assert_eq!(wire.calls(), [call("StopAutomationExecution", body)]);
    }
}

async fn read(execution: Value) -> Execution {
    let wire = Wire::answering([Answer::json(&json!({"AutomationExecution": execution}))]);
    let read = wire.world().execution(&ID).await.unwrap().expect("an execution");
    assert_eq!(wire.calls(), [call("GetAutomationExecution", json!({"AutomationExecutionId": EXECUTION}))]);
    read
}

#[tokio::test]
async fn reads_what_an_execution_says_of_itself() {
    let list = |name: &str, value: &str| HashMap::from([(name.to_owned(), vec![value.to_owned()])]);
    let ended = read(json!({
        "DocumentName": "Mend-CloseAdminPorts",
        "AutomationExecutionStatus": "Failed",
        "Parameters": {"Attempt": ["2"]},
        "Outputs": {"Conclude.Outcome": ["Remediated"]},
        "ExecutionEndTime": 1_772_600_767.5,
        "FailureMessage": "Step fails: Close",
        "ParentAutomationExecutionId": PARENT,
        "StepExecutions": [
            {"StepName": "Close", "StepStatus": "Failed"},
            {"StepName": "Conclude", "StepStatus": "Pending"},
        ],
    }))
    .await;
    let expected = Execution {
        document: "Mend-CloseAdminPorts".to_owned(),
        status: "Failed".to_owned(),
        parameters: list("Attempt", "2"),
        outputs: list("Conclude.Outcome", "Remediated"),
        ended_at: Some(Timestamp::from_milliseconds(1_772_600_767_500)),
        failure: Some("Step fails: Close".to_owned()),
        parent: Some(ExecutionId::from_static(PARENT)),
        steps: [("Close", "Failed"), ("Conclude", "Pending")]
            .map(|(name, status)| (name.to_owned(), status.to_owned()))
            .into(),
    };
    assert_eq!(ended, expected);
}

#[tokio::test]
async fn an_execution_may_say_less_or_something_new() {
    let running = read(json!({"AutomationExecutionStatus": "Dreaming"})).await;
    let expected = Execution {
        document: String::new(),
        status: "Dreaming".to_owned(),
        parameters: HashMap::new(),
        outputs: HashMap::new(),
        ended_at: None,
        failure: None,
        parent: None,
        steps: BTreeMap::new(),
    };
    assert_eq!(running, expected);
}

#[tokio::test]
async fn an_answer_without_an_execution_is_an_error() {
    let error = Wire::answering([Answer::json(&json!({}))]).world().execution(&ID).await.unwrap_err();
    reading().stays(&error, "the answer carries no execution");
}

#[tokio::test]
async fn an_execution_that_is_gone_is_none() {
    let wire = Wire::answering([Answer::error(400, "AutomationExecutionNotFoundException")]);
    assert_eq!(wire.world().execution(&ID).await.unwrap(), None);
}

fn waiting() -> Attempt {
    Attempt { number: AttemptNumber::FIRST.next(), plan: plan(), planned_at: seconds_ago(60), execution: None }
}

async fn find(world: &Aws<HandClock>) -> Result<Option<ExecutionId>, CallError> {
    let attempt = AttemptNumber::FIRST.next();
    world.find_execution(&runbook(), &incident_id(), attempt, seconds_ago(60)).await
}

fn finding() -> Operation<'static> {
    Operation {
        attempted: "find the execution of Mend-CloseAdminPorts for incident \
                    0123456789abcdef0123456789abcdef-1, attempt 2",
        remedy: LOOK,
        success: Answer::json(&json!({"AutomationExecutionMetadataList": []})),
        failure: Answer::error,
    }
}

#[tokio::test]
async fn finds_the_execution_of_an_attempt_among_those_that_carry_mends_tag() {
    let other = "99999999-2222-4333-8444-555555555555";
    let listed = Answer::json(&json!({"AutomationExecutionMetadataList": [
        {"AutomationExecutionId": other}, {"AutomationExecutionId": EXECUTION},
    ]}));
    let of = |document: &str, attempt: &str| {
        let parameters = json!({"Incident": [INCIDENT], "Attempt": [attempt]});
        Answer::json(&json!({"AutomationExecution": {"DocumentName": document, "Parameters": parameters}}))
    };
    let says = |attempt: &str| of("Mend-CloseAdminPorts", attempt);
    let wire = Wire::answering([listed.clone(), says("1"), says("2")]);
    assert_eq!(find(&wire.world()).await.unwrap(), Some(ID));
    let list = call(
        "DescribeAutomationExecutions",
        json!({"Filters": [
            {"Key": "DocumentNamePrefix", "Values": ["Mend-CloseAdminPorts"]},
            {"Key": "TagKey", "Values": ["mend:incident"]},
            {"Key": "StartTimeAfter", "Values": ["2026-03-04T05:04:07Z"]},
        ]}),
    );
    let get = |id: &str| call("GetAutomationExecution", json!({"AutomationExecutionId": id}));
    assert_eq!(wire.calls(), [list, get(other), get(EXECUTION)]);

    // The name of another document may begin like that of this one.
    let wire = Wire::answering([listed, says("1"), of("Mend-CloseAdminPortsAtNight", "2")]);
    assert_eq!(find(&wire.world()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let (plan, incident) = (plan(), incident_id());
    describing().fails_well(async |world| world.version(&runbook()).await).await;
    starting().fails_well(async |world| world.start(&start_of(&plan, &incident)).await).await;
    reading().fails_well(async |world| world.execution(&ID).await).await;
    stopping().fails_well(async |world| world.stop(&ID).await).await;
    finding().fails_well(async |world| find(world).await).await;
}
