//! What an incident looks like to people and machines: OpsItem, notification, event. Pure: text in the
//! ledger becomes text elsewhere.

mod approval;
mod event;
mod gathering;
mod notice;
mod notification;
mod ops_item;

pub use approval::ApprovalRequest;
pub use event::MendEvent;
pub use gathering::{Gathering, Roll};
pub use notice::Notice;
pub use notification::Notification;
pub use ops_item::{OperationalValue, OpsItemContent, OpsItemStatus};

use crate::account::{AccountId, Partition, PrincipalArn, Region};
use crate::automation::{APPROVE_AND_RUN, ExecutionId, OpsItemId};
use crate::decision::Verdict;
use crate::incident::{
    Approval, Attempt, Change, Effect, FinishedAttempt, Incident, Outcome, Plan, Resolution, State,
};
use crate::mode::Environment;
use crate::policy::Route;
use crate::resource::Resource;
use crate::switches::mode_parameter;

/// Where the reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stack's partition.
    pub partition: Partition,
    /// The stack's account.
    pub account: AccountId,
    /// The stack's Region.
    pub region: Region,
    /// The stack's environment.
    pub environment: Environment,
}

impl Place {
    /// Whether the call was made by one of this environment's own functions. Their names, and so the names of
    /// their sessions, begin alike.
    #[must_use]
    pub fn is_own_function(&self, principal: &PrincipalArn) -> bool {
        let own = format!("mend-{}-", self.environment);
        principal.session().is_some_and(|session| session.starts_with(&own))
    }

    fn ops_item_link(&self, id: &OpsItemId) -> String {
        self.systems_manager(&format!("opsitems/{id}"))
    }

    fn execution_link(&self, id: &ExecutionId) -> String {
        self.systems_manager(&format!("automation/execution/{id}"))
    }

    fn systems_manager(&self, page: &str) -> String {
        let (region, host) = (&self.region, self.partition.console_host());
        format!("https://{region}.{host}/systems-manager/{page}?region={region}")
    }

    /// The resource's ARN, where its type has a form that is known here. Config's events carry none.
    #[must_use]
    pub fn arn(&self, resource: &Resource) -> Option<String> {
        let (partition, account, region, id) =
            (&self.partition, &resource.account, &resource.region, &resource.id);
        match resource.kind.as_str() {
            _ if id.as_str().starts_with("arn:") => Some(id.to_string()),
            "AWS::EC2::SecurityGroup" => {
                Some(format!("arn:{partition}:ec2:{region}:{account}:security-group/{id}"))
            }
            "AWS::S3::Bucket" => Some(format!("arn:{partition}:s3:::{id}")),
            "AWS::KMS::Key" => Some(format!("arn:{partition}:kms:{region}:{account}:key/{id}")),
            _ => None,
        }
    }
}

impl Change {
    /// The decision that led to the change.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Observed
            | Self::AwaitingApproval
            | Self::Reminded
            | Self::Responding
            | Self::Escalated
            | Self::Reopened => Verdict::Respond,
            Self::Deferred => Verdict::Defer,
            Self::Suppressed => Verdict::Suppress,
            Self::Resolved => Verdict::Resolve,
        }
    }
}

/// The name of a state, for machines.
#[must_use]
pub const fn state_name(state: &State) -> &'static str {
    match state {
        State::Open => "open",
        State::Observed(_) => "observed",
        State::Suppressed => "suppressed",
        State::Deferred { .. } => "deferred",
        State::AwaitingApproval(_) => "awaiting-approval",
        State::Remediating(_) => "remediating",
        State::Escalated => "escalated",
        State::Reopened => "reopened",
        State::Resolved { .. } => "resolved",
    }
}

/// What is, was or would be started.
fn plan(incident: &Incident) -> Option<&Plan> {
    match &incident.state {
        State::Observed(plan) => Some(plan),
        State::Open
        | State::Suppressed
        | State::Deferred { .. }
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated
        | State::Reopened
        | State::Resolved { .. } => incident.latest_attempt().map(|attempt| &attempt.plan),
    }
}

/// `Mend-CloseAdminPorts (version 1) with SecurityGroupId sg-…`
fn plan_in_words(plan: &Plan) -> String {
    let parameters: Vec<_> = plan.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!("{} (version {}) with {}", plan.runbook, plan.version, parameters.join(", "))
}

/// What Mend did, in a sentence or two.
fn what_mend_did(incident: &Incident, route: &Route) -> String {
    let why = |change| incident.why(change).map(String::as_str).unwrap_or_default();
    match &incident.state {
        State::Observed(plan) => {
            format!("{}. In mode enforce it would start {}.", why(Change::Observed), plan_in_words(plan))
        }
        State::AwaitingApproval(attempt) => {
            format!("Nothing yet: it would start {} and waits for a person.", plan_in_words(&attempt.plan))
        }
        State::Remediating(attempt) => {
            let started = if incident.outbox.contains(&Effect::Runbook) { "Is to start" } else { "Started" };
            format!(
                "{started} {}, attempt {} of {}.",
                plan_in_words(&attempt.plan),
                attempt.number,
                route.attempts
            )
        }
        State::Escalated => what_was_tried(incident),
        State::Resolved { how: Resolution::Remediated, .. } if incident.undoing().is_some() => {
            incident.undoing().map(|undone| sentence(undone)).unwrap_or_default()
        }
        State::Resolved { how: Resolution::Remediated, .. } => {
            let finished = incident.finished.last();
            let changes = finished.and_then(|finished| finished.changes.as_deref());
            let runbook = &route.runbook;
            changes.map_or_else(
                || format!("{runbook} repaired it and read it back."),
                |changes| format!("{runbook} repaired it and read it back: {}", sentence(changes)),
            )
        }
        State::Resolved { how: Resolution::AlreadyCompliant, .. } => match &incident.finished[..] {
            // An attempt that failed after its change has repaired it all the same.
            [.., FinishedAttempt { attempt: Attempt { execution: Some(before), .. }, .. }, _] => format!(
                "{} looked again and found nothing left to repair; the failed execution {before} may have done it.",
                route.runbook
            ),
            _ => format!("{} looked and found nothing to repair.", route.runbook),
        },
        State::Resolved { how: Resolution::Cleared, .. } => "Nothing: what complained no longer does.".to_owned(),
        State::Resolved { how: Resolution::ByPerson, .. } => match incident.latest_execution() {
            Some(execution) => format!("It took note; its last execution was {execution}."),
            None => "Nothing was changed. It took note.".to_owned(),
        },
        State::Reopened => format!("{}. It starts nothing of its own accord.", why(Change::Reopened)),
        State::Deferred { .. } => format!("Nothing was changed. {}.", why(Change::Deferred)),
        State::Suppressed => format!("Nothing was changed. {}.", why(Change::Suppressed)),
        State::Open => "Nothing yet.".to_owned(),
    }
}

/// What led to the escalation.
fn what_was_tried(incident: &Incident) -> String {
    let nothing = || {
        let why = incident.why(Change::Escalated).map(String::as_str).unwrap_or_default();
        format!("Nothing was changed. {why}.")
    };
    let Some(finished) = incident.finished.last() else { return nothing() };
    let reason = match &finished.outcome {
        Outcome::Failed(why) => why.as_str(),
        Outcome::TimedOut => "it took too long",
        Outcome::Cancelled => "it was cancelled",
        Outcome::Remediated | Outcome::AlreadyCompliant => "the repair did not last",
        Outcome::NotApproved(_) | Outcome::HeldBack(_) => return nothing(),
    };
    let times = match finished.attempt.number.number() {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    };
    format!("Tried {} {times}, without success. The last time: {reason}.", finished.attempt.plan.runbook)
}

/// How to answer a request for approval.
fn how_to_answer(approval: &Approval, place: &Place) -> String {
    let ends = approval.asked_at.plus(Approval::PATIENCE);
    let Some(execution) = &approval.execution else {
        return format!("Approve or reject the execution of {APPROVE_AND_RUN}, until {ends}.");
    };
    format!(
        "Look at the plan, and approve or reject it until {ends}: {} or aws ssm send-automation-signal \
         --automation-execution-id {execution} --signal-type Approve (or Reject).",
        place.execution_link(execution)
    )
}

/// `SSH is open to the world: AWS::EC2::SecurityGroup sg-… in eu-central-1, account 111122223333 (dev).`
fn what_and_where(incident: &Incident, route: &Route, place: &Place) -> String {
    let Resource { account, region, kind, id } = &incident.resource;
    format!("{}: {kind} {id} in {region}, account {account} ({}).", route.title, place.environment)
}

/// What the reader needs to do.
fn what_you_need_to_do(incident: &Incident, route: &Route, place: &Place) -> String {
    match &incident.state {
        State::Observed(_) => format!(
            "Repair it by hand, or let Mend do it: where the policy allows that, set the switch {} to enforce.",
            mode_parameter(place.environment, &route.name)
        ),
        State::AwaitingApproval(_) => match &incident.approval {
            Some(approval) => how_to_answer(approval, place),
            None => "Nothing: nobody is asked any more.".to_owned(),
        },
        State::Remediating(_) => "Nothing: Mend tells you how it ends.".to_owned(),
        State::Escalated => {
            "Look at the last execution, repair the resource by hand, and resolve the OpsItem.".to_owned()
        }
        State::Resolved { how: Resolution::Remediated, .. } if incident.undoing().is_some() => {
            "Nothing.".to_owned()
        }
        State::Resolved { how: Resolution::Remediated, .. } => match (&route.undo, incident.latest_attempt()) {
            (Some(undo), Some(Attempt { execution: Some(execution), .. })) => format!(
                "Nothing. If the change was intended: aws ssm start-automation-execution --document-name {undo} \
                 --parameters ExecutionId={execution} undoes it, and exempts the resource for two weeks."
            ),
            _ => "Nothing.".to_owned(),
        },
        State::Reopened => {
            "Resolve the OpsItem when it is over. If a check finds the problem anew, Mend answers again."
                .to_owned()
        }
        State::Resolved { .. } | State::Suppressed => "Nothing.".to_owned(),
        State::Deferred { .. } | State::Open => {
            "Nothing, if it can wait. Otherwise repair it by hand: Mend notices and closes the incident."
                .to_owned()
        }
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests;
