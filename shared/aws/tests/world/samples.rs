//! An incident and what it sends into the world.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::account::{AccountId, Region};
use mend_core::automation::{DocumentVersion, ExecutionId, OpsItemId, ParameterName, RoleArn, RunbookName};
use mend_core::identity::{AttemptNumber, Fingerprint, Generation, IncidentId};
use mend_core::incident::{
    Attempt, AttemptReport, CauseRecord, Change, Effect, FinishedAttempt, Incident, Note, Occasion, Outcome, Plan,
    Shown, State,
};
use mend_core::policy::{Problem, RouteName, Severity};
use mend_core::report::OpsItemStatus;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{Cause, CauseState, ConfigRuleName, Freshness, Signal};
use mend_core::time::Timestamp;
use mend_responder::world::{Lease, News, Row, ToldAt};

pub(crate) static FINGERPRINT: Fingerprint = Fingerprint::from_static("0123456789abcdef0123456789abcdef");
pub(crate) const INCIDENT: &str = "0123456789abcdef0123456789abcdef-1";
pub(crate) const EXECUTION: &str = "11111111-2222-4333-8444-555555555555";

/// 2026-03-04T05:06:07.890Z
pub(crate) fn now() -> Timestamp {
    Timestamp::from_milliseconds(1_772_600_767_890)
}

pub(crate) fn incident_id() -> IncidentId {
    IncidentId { fingerprint: FINGERPRINT.clone(), generation: Generation::FIRST }
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(now().milliseconds() - 1000 * seconds)
}

pub(crate) fn runbook() -> RunbookName {
    RunbookName::from_static("Mend-CloseAdminPorts")
}

fn execution() -> ExecutionId {
    ExecutionId::from_static(EXECUTION)
}

pub(crate) fn resource() -> Resource {
    Resource {
        account: AccountId::from_static("123456789012"),
        region: Region::from_static("eu-central-1"),
        kind: ResourceType::from_static("AWS::EC2::SecurityGroup"),
        id: ResourceId::from_static("sg-0badcafe0badcafe1"),
    }
}

fn cause() -> Cause {
    Cause::ConfigRule(ConfigRuleName::from_static("restricted-ssh"))
}

pub(crate) fn violation() -> News {
    News::Signal(Signal {
        cause: cause(),
        resource: resource(),
        state: CauseState::Violated,
        at: seconds_ago(60),
        recorded_at: seconds_ago(59),
        freshness: Freshness::Live,
        changed_by: None,
    })
}

pub(crate) fn outcome() -> AttemptReport {
    AttemptReport {
        incident: incident_id(),
        attempt: AttemptNumber::FIRST.next(),
        runbook: runbook(),
        execution: execution(),
        request: None,
        parameters: plan().parameters,
        outcome: Outcome::Failed("the rule came back".to_owned()),
        ended_at: seconds_ago(5),
        changes: Some("Removed 1 rule".to_owned()),
        before_state: Some(r#"{"rules":[]}"#.to_owned()),
    }
}

pub(crate) fn lease() -> Lease {
    Lease { holder: "request-1/7".to_owned(), until: now().plus(Duration::from_secs(35)) }
}

pub(crate) fn plan() -> Plan {
    Plan {
        runbook: runbook(),
        version: DocumentVersion::from_static("3"),
        role: RoleArn::from_static("arn:aws:iam::123456789012:role/mend-dev-network"),
        parameters: BTreeMap::from([(
            ParameterName::from_static("SecurityGroupId"),
            "sg-0badcafe0badcafe1".to_owned(),
        )]),
        alarm: None,
    }
}

/// In its second attempt.
pub(crate) fn incident() -> Incident {
    Incident {
        id: incident_id(),
        resource: resource(),
        problem: Problem::from_static("open-admin-ports"),
        route: RouteName::from_static("close-admin-ports"),
        severity: Severity::High,
        opened_at: seconds_ago(50),
        earlier: Vec::new(),
        changed_by: None,
        evidence: Freshness::Live,
        causes: BTreeMap::from([(cause(), CauseRecord { state: CauseState::Violated, at: seconds_ago(60) })]),
        state: State::Remediating(Attempt {
            number: AttemptNumber::FIRST.next(),
            plan: plan(),
            planned_at: seconds_ago(10),
            execution: None,
        }),
        finished: vec![FinishedAttempt {
            attempt: Attempt {
                number: AttemptNumber::FIRST,
                plan: plan(),
                planned_at: seconds_ago(50),
                execution: Some(execution()),
            },
            outcome: Outcome::TimedOut,
            ended_at: seconds_ago(20),
            changes: None,
        }],
        occasions: 2,
        people_know: true,
        outbox: vec![
            Effect::OpsItem,
            Effect::Runbook,
            Effect::Notification(Occasion { change: Change::Responding, number: 2 }),
        ],
        approval: None,
        withdrawn: Vec::new(),
        gathering: None,
        ops_item: Some(OpsItemId::from_static("oi-0123456789ab")),
        ops_item_shows: Some(Shown { status: OpsItemStatus::Open, at: seconds_ago(49) }),
        notes: vec![Note {
            at: seconds_ago(50),
            text: "Responding: restricted-ssh reports a violation".to_owned(),
        }],
    }
}

/// Held, with news waiting.
pub(crate) fn row() -> Row {
    Row {
        version: 7,
        lease: Some(lease()),
        incident: Some(incident()),
        inbox: vec![violation(), News::Outcome(outcome())],
        heard: BTreeMap::from([(cause().key(), ToldAt { at: seconds_ago(60), recorded_at: seconds_ago(60) })]),
    }
}
