//! The ledger's items, field by field. The core's types know nothing of their storage; here they are
//! taken apart and put together again, and every text is checked on the way back.

use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroU32};

use mend_core::account::{AccountId, PrincipalArn, Region};
use mend_core::automation::{
    AlarmName, DocumentVersion, ExecutionId, OpsItemId, ParameterName, RoleArn, RunbookName,
};
use mend_core::gathering::InvalidGathering;
use mend_core::identity::{AttemptNumber, Fingerprint, Generation, IncidentId, InvalidIdentity};
use mend_core::incident::{
    Approval, Attempt, AttemptReport, CauseRecord, Change, Effect, FinishedAttempt, Incident, Note, Occasion,
    Outcome, PersonsWord, Plan, Resolution, Shown, State, Undoing,
};
use mend_core::mode::NotOneOf;
use mend_core::policy::{Problem, RouteName};
use mend_core::report::OpsItemStatus;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::{CauseState, ConfigRuleName, Freshness, Signal};
use mend_core::text::InvalidText;
use mend_core::time::{InvalidTime, Timestamp};
use mend_responder::world::{LastRun, Lease, News, Row, ToldAt};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An item that does not say what it should.
#[derive(Debug, Error)]
pub(super) enum NotUnderstood {
    #[error("a field is missing or has another type")]
    Shape(#[from] serde_dynamo::Error),
    #[error("a text breaks its rule")]
    Text(#[from] InvalidText),
    #[error("an id is none")]
    Identity(#[from] InvalidIdentity),
    #[error("a word is not one of the known ones")]
    Word(#[from] NotOneOf),
    #[error("a time is none")]
    Time(#[from] InvalidTime),
    #[error("a gathering is none")]
    Gathering(#[from] InvalidGathering),
    #[error("an effect is not one of the known ones: {0}")]
    Effect(String),
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredRow {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) version: u64,
    /// Nothing is left to do until news comes.
    pub(super) settled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease_holder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease_until: Option<i64>,
    #[serde(default)]
    pub(super) heard: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) inbox: Vec<StoredNews>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) incident: Option<StoredIncident>,
    /// DynamoDB's time to live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
    /// The fingerprint, while the row may need something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) open: Option<String>,
}

impl From<&Row> for StoredRow {
    /// Without keys and expiry.
    fn from(row: &Row) -> Self {
        Self {
            pk: String::new(),
            sk: String::new(),
            version: row.version,
            settled: row.settled(),
            lease_holder: row.lease.as_ref().map(|lease| lease.holder.clone()),
            lease_until: row.lease.as_ref().map(|lease| lease.until.milliseconds()),
            heard: row.heard.iter().map(|(teller, at)| (teller.clone(), stored_told_at(*at))).collect(),
            inbox: row.inbox.iter().map(StoredNews::from).collect(),
            incident: row.incident.as_ref().map(StoredIncident::from),
            expires_at: None,
            open: None,
        }
    }
}

impl TryFrom<StoredRow> for Row {
    type Error = NotUnderstood;

    fn try_from(stored: StoredRow) -> Result<Self, NotUnderstood> {
        let lease = stored.lease_holder.zip(stored.lease_until);
        Ok(Self {
            version: stored.version,
            lease: lease.map(|(holder, until)| Lease { holder, until: Timestamp::from_milliseconds(until) }),
            incident: stored.incident.map(Incident::try_from).transpose()?,
            inbox: stored.inbox.into_iter().map(News::try_from).collect::<Result<_, _>>()?,
            heard: stored
                .heard
                .into_iter()
                .map(|(teller, at)| Ok((teller, told_at(&at)?)))
                .collect::<Result<_, NotUnderstood>>()?,
        })
    }
}

/// Both times as text of fixed width, so that DynamoDB orders them as they are.
pub(super) fn stored_told_at(told_at: ToldAt) -> String {
    format!("{}/{}", told_at.at.precise(), told_at.recorded_at.precise())
}

fn told_at(stored: &str) -> Result<ToldAt, NotUnderstood> {
    let (at, recorded_at) = stored.split_once('/').ok_or(NotUnderstood::Time(InvalidTime))?;
    Ok(ToldAt { at: Timestamp::parse(at)?, recorded_at: Timestamp::parse(recorded_at)? })
}

/// What a run of `reconcile` leaves to the next.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct StoredRun {
    incident: Option<String>,
    people_heard_at: Option<i64>,
    rule: Option<String>,
    kill: Option<String>,
}

impl From<&LastRun> for StoredRun {
    fn from(run: &LastRun) -> Self {
        Self {
            incident: run.incident.as_ref().map(ToString::to_string),
            people_heard_at: run.people_heard_at.map(Timestamp::milliseconds),
            rule: run.rule.as_ref().map(ToString::to_string),
            kill: run.kill.clone(),
        }
    }
}

impl TryFrom<StoredRun> for LastRun {
    type Error = NotUnderstood;

    fn try_from(stored: StoredRun) -> Result<Self, NotUnderstood> {
        Ok(Self {
            incident: stored.incident.map(Fingerprint::new).transpose()?,
            people_heard_at: stored.people_heard_at.map(Timestamp::from_milliseconds),
            rule: stored.rule.map(ConfigRuleName::new).transpose()?,
            kill: stored.kill,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredHold {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) incident: String,
}

#[derive(Debug, Serialize)]
pub(super) struct StoredBeforeState {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) incident: String,
    pub(super) attempt: u8,
    pub(super) runbook: String,
    pub(super) before_state: Option<String>,
    /// The parameter that exempts the resource, for whoever undoes the repair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exemption: Option<String>,
    pub(super) expires_at: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct StoredHistory {
    pub(super) pk: String,
    pub(super) sk: String,
    pub(super) incident: StoredIncident,
    pub(super) expires_at: i64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum StoredNews {
    Signal {
        cause: String,
        resource: StoredResource,
        violated: bool,
        at: i64,
        recorded_at: i64,
        freshness: StoredFreshness,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changed_by: Option<String>,
    },
    Outcome {
        incident: String,
        attempt: NonZeroU8,
        runbook: String,
        execution: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        parameters: BTreeMap<String, String>,
        outcome: StoredOutcome,
        ended_at: i64,
        changes: Option<String>,
        before_state: Option<String>,
    },
    Person {
        incident: String,
        ops_item: String,
        violated: bool,
        by: Option<String>,
        at: i64,
    },
    Undoing {
        incident: String,
        execution: String,
        changes: Option<String>,
        exemption: Option<String>,
        at: i64,
    },
}

impl From<&News> for StoredNews {
    fn from(news: &News) -> Self {
        match news {
            News::Signal(signal) => Self::Signal {
                cause: signal.cause.key(),
                resource: StoredResource::from(&signal.resource),
                violated: violated(signal.state),
                at: signal.at.milliseconds(),
                recorded_at: signal.recorded_at.milliseconds(),
                freshness: signal.freshness.into(),
                changed_by: signal.changed_by.as_ref().map(ToString::to_string),
            },
            News::Outcome(report) => Self::Outcome {
                incident: report.incident.to_string(),
                attempt: stored_number(report.attempt),
                runbook: report.runbook.to_string(),
                execution: report.execution.to_string(),
                request: report.request.as_ref().map(ToString::to_string),
                parameters: stored_parameters(&report.parameters),
                outcome: StoredOutcome::from(&report.outcome),
                ended_at: report.ended_at.milliseconds(),
                changes: report.changes.clone(),
                before_state: report.before_state.clone(),
            },
            News::Person(word) => Self::Person {
                incident: word.incident.to_string(),
                ops_item: word.ops_item.to_string(),
                violated: violated(word.state),
                by: word.by.as_ref().map(ToString::to_string),
                at: word.at.milliseconds(),
            },
            News::Undoing(undoing) => Self::Undoing {
                incident: undoing.incident.to_string(),
                execution: undoing.execution.to_string(),
                changes: undoing.changes.clone(),
                exemption: undoing.exemption.clone(),
                at: undoing.at.milliseconds(),
            },
        }
    }
}

impl TryFrom<StoredNews> for News {
    type Error = NotUnderstood;

    fn try_from(stored: StoredNews) -> Result<Self, NotUnderstood> {
        Ok(match stored {
            StoredNews::Signal { cause, resource, violated, at, recorded_at, freshness, changed_by } => {
                Self::Signal(Signal {
                    cause: cause.parse()?,
                    resource: resource.try_into()?,
                    state: cause_state(violated),
                    at: Timestamp::from_milliseconds(at),
                    recorded_at: Timestamp::from_milliseconds(recorded_at),
                    freshness: freshness.into(),
                    changed_by: changed_by.map(PrincipalArn::new).transpose()?,
                })
            }
            StoredNews::Outcome {
                incident,
                attempt,
                runbook,
                execution,
                request,
                parameters,
                outcome,
                ended_at,
                changes,
                before_state,
            } => Self::Outcome(AttemptReport {
                incident: incident.parse()?,
                attempt: AttemptNumber::new(attempt),
                runbook: RunbookName::new(runbook)?,
                execution: ExecutionId::new(execution)?,
                request: request.map(ExecutionId::new).transpose()?,
                parameters: parameters_of(parameters)?,
                outcome: outcome.into(),
                ended_at: Timestamp::from_milliseconds(ended_at),
                changes,
                before_state,
            }),
            StoredNews::Person { incident, ops_item, violated, by, at } => Self::Person(PersonsWord {
                incident: incident.parse()?,
                ops_item: OpsItemId::new(ops_item)?,
                state: cause_state(violated),
                by: by.map(PrincipalArn::new).transpose()?,
                at: Timestamp::from_milliseconds(at),
            }),
            StoredNews::Undoing { incident, execution, changes, exemption, at } => Self::Undoing(Undoing {
                incident: incident.parse()?,
                execution: ExecutionId::new(execution)?,
                changes,
                exemption,
                at: Timestamp::from_milliseconds(at),
            }),
        })
    }
}

const fn violated(state: CauseState) -> bool {
    match state {
        CauseState::Violated => true,
        CauseState::Clear => false,
    }
}

const fn cause_state(violated: bool) -> CauseState {
    if violated { CauseState::Violated } else { CauseState::Clear }
}

/// An attempt's number is never 0, in the core either.
fn stored_number(number: AttemptNumber) -> NonZeroU8 {
    NonZeroU8::MIN.saturating_add(number.number() - 1)
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredResource {
    account: String,
    region: String,
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl From<&Resource> for StoredResource {
    fn from(resource: &Resource) -> Self {
        Self {
            account: resource.account.to_string(),
            region: resource.region.to_string(),
            kind: resource.kind.to_string(),
            id: resource.id.to_string(),
        }
    }
}

impl TryFrom<StoredResource> for Resource {
    type Error = NotUnderstood;

    fn try_from(stored: StoredResource) -> Result<Self, NotUnderstood> {
        Ok(Self {
            account: AccountId::new(stored.account)?,
            region: Region::new(stored.region)?,
            kind: ResourceType::new(stored.kind)?,
            id: ResourceId::new(stored.id)?,
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoredFreshness {
    Live,
    Replayed,
    Stale,
}

impl From<Freshness> for StoredFreshness {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Live => Self::Live,
            Freshness::Replayed => Self::Replayed,
            Freshness::Stale => Self::Stale,
        }
    }
}

impl From<StoredFreshness> for Freshness {
    fn from(stored: StoredFreshness) -> Self {
        match stored {
            StoredFreshness::Live => Self::Live,
            StoredFreshness::Replayed => Self::Replayed,
            StoredFreshness::Stale => Self::Stale,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoredOutcome {
    Remediated,
    AlreadyCompliant,
    Failed(String),
    TimedOut,
    Cancelled,
    NotApproved(String),
    HeldBack(String),
}

impl From<&Outcome> for StoredOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Remediated => Self::Remediated,
            Outcome::AlreadyCompliant => Self::AlreadyCompliant,
            Outcome::Failed(why) => Self::Failed(why.clone()),
            Outcome::TimedOut => Self::TimedOut,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::NotApproved(why) => Self::NotApproved(why.clone()),
            Outcome::HeldBack(why) => Self::HeldBack(why.clone()),
        }
    }
}

impl From<StoredOutcome> for Outcome {
    fn from(stored: StoredOutcome) -> Self {
        match stored {
            StoredOutcome::Remediated => Self::Remediated,
            StoredOutcome::AlreadyCompliant => Self::AlreadyCompliant,
            StoredOutcome::Failed(why) => Self::Failed(why),
            StoredOutcome::TimedOut => Self::TimedOut,
            StoredOutcome::Cancelled => Self::Cancelled,
            StoredOutcome::NotApproved(why) => Self::NotApproved(why),
            StoredOutcome::HeldBack(why) => Self::HeldBack(why),
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredPlan {
    runbook: String,
    version: String,
    role: String,
    parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alarm: Option<String>,
}

impl From<&Plan> for StoredPlan {
    fn from(plan: &Plan) -> Self {
        Self {
            runbook: plan.runbook.to_string(),
            version: plan.version.to_string(),
            role: plan.role.to_string(),
            parameters: stored_parameters(&plan.parameters),
            alarm: plan.alarm.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<StoredPlan> for Plan {
    type Error = NotUnderstood;

    fn try_from(stored: StoredPlan) -> Result<Self, NotUnderstood> {
        Ok(Self {
            runbook: RunbookName::new(stored.runbook)?,
            version: DocumentVersion::new(stored.version)?,
            role: RoleArn::new(stored.role)?,
            parameters: parameters_of(stored.parameters)?,
            alarm: stored.alarm.map(AlarmName::new).transpose()?,
        })
    }
}

fn stored_parameters(parameters: &BTreeMap<ParameterName, String>) -> BTreeMap<String, String> {
    parameters.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn parameters_of(stored: BTreeMap<String, String>) -> Result<BTreeMap<ParameterName, String>, NotUnderstood> {
    stored.into_iter().map(|(name, value)| Ok((ParameterName::new(name)?, value))).collect()
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredAttempt {
    number: NonZeroU8,
    plan: StoredPlan,
    planned_at: i64,
    execution: Option<String>,
}

impl From<&Attempt> for StoredAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            number: stored_number(attempt.number),
            plan: StoredPlan::from(&attempt.plan),
            planned_at: attempt.planned_at.milliseconds(),
            execution: attempt.execution.as_ref().map(ToString::to_string),
        }
    }
}

impl TryFrom<StoredAttempt> for Attempt {
    type Error = NotUnderstood;

    fn try_from(stored: StoredAttempt) -> Result<Self, NotUnderstood> {
        Ok(Self {
            number: AttemptNumber::new(stored.number),
            plan: stored.plan.try_into()?,
            planned_at: Timestamp::from_milliseconds(stored.planned_at),
            execution: stored.execution.map(ExecutionId::new).transpose()?,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredApproval {
    attempt: NonZeroU8,
    asked_at: i64,
    execution: Option<String>,
    is_reminded: bool,
}

impl From<&Approval> for StoredApproval {
    fn from(approval: &Approval) -> Self {
        Self {
            attempt: stored_number(approval.attempt),
            asked_at: approval.asked_at.milliseconds(),
            execution: approval.execution.as_ref().map(ToString::to_string),
            is_reminded: approval.is_reminded,
        }
    }
}

impl TryFrom<StoredApproval> for Approval {
    type Error = NotUnderstood;

    fn try_from(stored: StoredApproval) -> Result<Self, NotUnderstood> {
        Ok(Self {
            attempt: AttemptNumber::new(stored.attempt),
            asked_at: Timestamp::from_milliseconds(stored.asked_at),
            execution: stored.execution.map(ExecutionId::new).transpose()?,
            is_reminded: stored.is_reminded,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredFinishedAttempt {
    attempt: StoredAttempt,
    outcome: StoredOutcome,
    ended_at: i64,
    changes: Option<String>,
}

impl From<&FinishedAttempt> for StoredFinishedAttempt {
    fn from(finished: &FinishedAttempt) -> Self {
        Self {
            attempt: StoredAttempt::from(&finished.attempt),
            outcome: StoredOutcome::from(&finished.outcome),
            ended_at: finished.ended_at.milliseconds(),
            changes: finished.changes.clone(),
        }
    }
}

impl TryFrom<StoredFinishedAttempt> for FinishedAttempt {
    type Error = NotUnderstood;

    fn try_from(stored: StoredFinishedAttempt) -> Result<Self, NotUnderstood> {
        Ok(Self {
            attempt: stored.attempt.try_into()?,
            outcome: stored.outcome.into(),
            ended_at: Timestamp::from_milliseconds(stored.ended_at),
            changes: stored.changes,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub(super) enum StoredState {
    Open,
    Observed {
        plan: StoredPlan,
    },
    Suppressed,
    Deferred {
        /// Where none is written down, it is due.
        #[serde(default)]
        until: i64,
        #[serde(default)]
        by_budget: bool,
    },
    AwaitingApproval {
        attempt: StoredAttempt,
    },
    Remediating {
        attempt: StoredAttempt,
    },
    Escalated,
    Reopened,
    Resolved {
        at: i64,
        proved_at: i64,
        how: StoredResolution,
    },
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoredResolution {
    Remediated,
    AlreadyCompliant,
    Cleared,
    ByPerson,
}

impl From<&State> for StoredState {
    fn from(state: &State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Observed(plan) => Self::Observed { plan: plan.into() },
            State::Suppressed => Self::Suppressed,
            State::Deferred { until, by_budget } => {
                Self::Deferred { until: until.milliseconds(), by_budget: *by_budget }
            }
            State::AwaitingApproval(attempt) => Self::AwaitingApproval { attempt: attempt.into() },
            State::Remediating(attempt) => Self::Remediating { attempt: attempt.into() },
            State::Escalated => Self::Escalated,
            State::Reopened => Self::Reopened,
            State::Resolved { at, proved_at, how } => Self::Resolved {
                at: at.milliseconds(),
                proved_at: proved_at.milliseconds(),
                how: match how {
                    Resolution::Remediated => StoredResolution::Remediated,
                    Resolution::AlreadyCompliant => StoredResolution::AlreadyCompliant,
                    Resolution::Cleared => StoredResolution::Cleared,
                    Resolution::ByPerson => StoredResolution::ByPerson,
                },
            },
        }
    }
}

impl TryFrom<StoredState> for State {
    type Error = NotUnderstood;

    fn try_from(stored: StoredState) -> Result<Self, NotUnderstood> {
        Ok(match stored {
            StoredState::Open => Self::Open,
            StoredState::Observed { plan } => Self::Observed(plan.try_into()?),
            StoredState::Suppressed => Self::Suppressed,
            StoredState::Deferred { until, by_budget } => {
                Self::Deferred { until: Timestamp::from_milliseconds(until), by_budget }
            }
            StoredState::AwaitingApproval { attempt } => Self::AwaitingApproval(attempt.try_into()?),
            StoredState::Remediating { attempt } => Self::Remediating(attempt.try_into()?),
            StoredState::Escalated => Self::Escalated,
            StoredState::Reopened => Self::Reopened,
            StoredState::Resolved { at, proved_at, how } => Self::Resolved {
                at: Timestamp::from_milliseconds(at),
                proved_at: Timestamp::from_milliseconds(proved_at),
                how: match how {
                    StoredResolution::Remediated => Resolution::Remediated,
                    StoredResolution::AlreadyCompliant => Resolution::AlreadyCompliant,
                    StoredResolution::Cleared => Resolution::Cleared,
                    StoredResolution::ByPerson => Resolution::ByPerson,
                },
            },
        })
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct StoredShown {
    status: StoredOpsItemStatus,
    at: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StoredOpsItemStatus {
    Open,
    InProgress,
    Resolved,
}

impl From<OpsItemStatus> for StoredOpsItemStatus {
    fn from(status: OpsItemStatus) -> Self {
        match status {
            OpsItemStatus::Open => Self::Open,
            OpsItemStatus::InProgress => Self::InProgress,
            OpsItemStatus::Resolved => Self::Resolved,
        }
    }
}

impl From<StoredOpsItemStatus> for OpsItemStatus {
    fn from(stored: StoredOpsItemStatus) -> Self {
        match stored {
            StoredOpsItemStatus::Open => Self::Open,
            StoredOpsItemStatus::InProgress => Self::InProgress,
            StoredOpsItemStatus::Resolved => Self::Resolved,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredCause {
    violated: bool,
    at: i64,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredNote {
    at: i64,
    text: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct StoredIncident {
    fingerprint: String,
    generation: NonZeroU32,
    resource: StoredResource,
    problem: String,
    route: String,
    severity: String,
    opened_at: i64,
    #[serde(default)]
    earlier: Vec<i64>,
    #[serde(default)]
    changed_by: Option<String>,
    evidence: StoredFreshness,
    causes: BTreeMap<String, StoredCause>,
    state: StoredState,
    finished: Vec<StoredFinishedAttempt>,
    occasions: u32,
    people_know: bool,
    outbox: Vec<String>,
    #[serde(default)]
    approval: Option<StoredApproval>,
    #[serde(default)]
    withdrawn: Vec<StoredApproval>,
    #[serde(default)]
    gathering: Option<String>,
    ops_item: Option<String>,
    ops_item_shows: Option<StoredShown>,
    notes: Vec<StoredNote>,
}

impl From<&Incident> for StoredIncident {
    fn from(incident: &Incident) -> Self {
        let causes = incident.causes.iter().map(|(cause, record)| {
            (cause.key(), StoredCause { violated: violated(record.state), at: record.at.milliseconds() })
        });
        let notes = incident.notes.iter();
        Self {
            fingerprint: incident.id.fingerprint.to_string(),
            generation: NonZeroU32::MIN.saturating_add(incident.id.generation.number() - 1),
            resource: StoredResource::from(&incident.resource),
            problem: incident.problem.to_string(),
            route: incident.route.to_string(),
            severity: incident.severity.to_string(),
            opened_at: incident.opened_at.milliseconds(),
            earlier: incident.earlier.iter().map(|at| at.milliseconds()).collect(),
            changed_by: incident.changed_by.as_ref().map(ToString::to_string),
            evidence: incident.evidence.into(),
            causes: causes.collect(),
            state: StoredState::from(&incident.state),
            finished: incident.finished.iter().map(StoredFinishedAttempt::from).collect(),
            occasions: incident.occasions,
            people_know: incident.people_know,
            outbox: incident.outbox.iter().copied().map(effect_word).collect(),
            approval: incident.approval.as_ref().map(StoredApproval::from),
            withdrawn: incident.withdrawn.iter().map(StoredApproval::from).collect(),
            gathering: incident.gathering.as_ref().map(ToString::to_string),
            ops_item: incident.ops_item.as_ref().map(ToString::to_string),
            ops_item_shows: incident
                .ops_item_shows
                .map(|shown| StoredShown { status: shown.status.into(), at: shown.at.milliseconds() }),
            notes: notes.map(|note| StoredNote { at: note.at.milliseconds(), text: note.text.clone() }).collect(),
        }
    }
}

impl TryFrom<StoredIncident> for Incident {
    type Error = NotUnderstood;

    fn try_from(stored: StoredIncident) -> Result<Self, NotUnderstood> {
        let causes = stored.causes.into_iter().map(|(cause, record)| {
            let record =
                CauseRecord { state: cause_state(record.violated), at: Timestamp::from_milliseconds(record.at) };
            Ok((cause.parse()?, record))
        });
        let notes = stored.notes.into_iter();
        Ok(Self {
            id: IncidentId {
                fingerprint: Fingerprint::new(stored.fingerprint)?,
                generation: Generation::new(stored.generation),
            },
            resource: stored.resource.try_into()?,
            problem: Problem::new(stored.problem)?,
            route: RouteName::new(stored.route)?,
            severity: stored.severity.parse()?,
            opened_at: Timestamp::from_milliseconds(stored.opened_at),
            earlier: stored.earlier.into_iter().map(Timestamp::from_milliseconds).collect(),
            changed_by: stored.changed_by.map(PrincipalArn::new).transpose()?,
            evidence: stored.evidence.into(),
            causes: causes.collect::<Result<_, NotUnderstood>>()?,
            state: stored.state.try_into()?,
            finished: stored.finished.into_iter().map(FinishedAttempt::try_from).collect::<Result<_, _>>()?,
            occasions: stored.occasions,
            people_know: stored.people_know,
            outbox: stored.outbox.iter().map(|word| effect(word)).collect::<Result<_, _>>()?,
            approval: stored.approval.map(Approval::try_from).transpose()?,
            withdrawn: stored.withdrawn.into_iter().map(Approval::try_from).collect::<Result<_, _>>()?,
            gathering: stored.gathering.map(|text| text.parse()).transpose()?,
            ops_item: stored.ops_item.map(OpsItemId::new).transpose()?,
            ops_item_shows: stored
                .ops_item_shows
                .map(|shown| Shown { status: shown.status.into(), at: Timestamp::from_milliseconds(shown.at) }),
            notes: notes.map(|note| Note { at: Timestamp::from_milliseconds(note.at), text: note.text }).collect(),
        })
    }
}

fn effect_word(effect: Effect) -> String {
    match effect {
        Effect::OpsItem => "ops-item".to_owned(),
        Effect::Runbook => "runbook".to_owned(),
        Effect::RequestApproval => "request-approval".to_owned(),
        Effect::WithdrawApproval => "withdraw-approval".to_owned(),
        Effect::Breaker => "breaker".to_owned(),
        Effect::Notification(Occasion { change, number }) => format!("notification/{change}/{number}"),
        Effect::Event(Occasion { change, number }) => format!("event/{change}/{number}"),
    }
}

fn effect(word: &str) -> Result<Effect, NotUnderstood> {
    let not_understood = || NotUnderstood::Effect(word.chars().take(40).collect());
    let occasion = |change: &str, number: &str| {
        let change = Change::ALL.into_iter().find(|known| known.to_string() == change);
        change.zip(number.parse().ok()).map(|(change, number)| Occasion { change, number })
    };
    let effect = match word.split('/').collect::<Vec<_>>()[..] {
        ["ops-item"] => Some(Effect::OpsItem),
        ["runbook"] => Some(Effect::Runbook),
        ["request-approval"] => Some(Effect::RequestApproval),
        ["withdraw-approval"] => Some(Effect::WithdrawApproval),
        ["breaker"] => Some(Effect::Breaker),
        ["notification", change, number] => occasion(change, number).map(Effect::Notification),
        ["event", change, number] => occasion(change, number).map(Effect::Event),
        _ => None,
    };
    effect.ok_or_else(not_understood)
}

#[cfg(test)]
mod tests;
