//! Why a decision is what it is.

use std::fmt;

use serde::{Serialize, Serializer};

use super::ModeOrigin;
use crate::account::{AccountId, PrincipalArn, Region};
use crate::automation::{AlarmName, ExecutionId, OpsItemId, RunbookName};
use crate::budget::Spent;
use crate::exemption::{Exemption, NotAnExemption};
use crate::guard::Flapping;
use crate::identity::{AttemptNumber, IncidentId};
use crate::mode::{Environment, Mode};
use crate::signal::Cause;
use crate::switches::{KillSwitch, OpenBreaker, Scope};
use crate::text::InvalidText;
use crate::time::Timestamp;

/// Why a decision is what it is. Its `Display` is a clause that a person can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A cause says that something is wrong.
    CauseViolated(Cause),
    /// A cause has stopped to complain.
    CauseCleared(Cause),
    /// Which mode holds, and why.
    ModeIs(Mode, ModeOrigin),
    /// The kill switch is not released.
    KillSwitch(KillSwitch),
    /// The switches could not be read.
    SwitchesUnreadable,
    /// A person wants the resource left alone.
    Exempt(Exemption),
    /// An exemption of the resource has ended.
    ExemptionEnded(Timestamp),
    /// An exemption of the resource reaches too far ahead to hold.
    ExemptionTooLong(Timestamp),
    /// What is written down as an exemption of the resource is none.
    ExemptionNotUnderstood,
    /// The tags of the resource could not be read.
    TagsUnreadable,
    /// A circuit breaker is open.
    BreakerOpen(OpenBreaker),
    /// A change calendar is closed, until then if that is known.
    CalendarClosed(Option<Timestamp>),
    /// A change calendar closes before the repair would be done.
    CalendarCloses(Timestamp),
    /// The change calendars could not be read.
    CalendarUnreadable(Environment),
    /// What is critical on this route is answered whatever the calendar says.
    Emergency,
    /// A budget is spent.
    BudgetSpent(Spent),
    /// The problem keeps coming back.
    Flapping(Flapping),
    /// There is nobody to ask for approval.
    NoApprovers,
    /// The request for approval was rejected, or nobody answered it.
    NotApproved(AttemptNumber, String),
    /// Attempts were stopped or held back so often that a person has to look.
    Interrupted(usize),
    /// A guard rail closed before the attempt could begin.
    HeldBack(AttemptNumber, String),
    /// The alarm does not ring.
    NotRinging(AlarmName),
    /// Neither a route nor the stack names the alarm.
    OtherAlarm(AlarmName),
    /// The execution undid a repair of the incident.
    Undone(ExecutionId),
    /// The runbook does not exist, or has no role.
    RunbookUnavailable(RunbookName),
    /// An attempt of another incident works on the resource.
    ResourceHeld(IncidentId),
    /// The incident's next attempt begins, after so many failed.
    NextAttempt(AttemptNumber),
    /// The ledger holds this word of the cause already, or a newer one.
    AlreadyKnown,
    /// The invocation that holds the incident will hear of it.
    HeldElsewhere,
    /// There is no incident that could be cleared.
    NothingToClear,
    /// The cause speaks of a time before the repair.
    NotLookedSince(Timestamp),
    /// Others still complain.
    CausesRemain(Vec<Cause>),
    /// The outcome of a running attempt will close the incident.
    AttemptRuns(AttemptNumber),
    /// The incident waits for a person already.
    AwaitsPerson,
    /// The request for approval is withdrawn.
    RequestWithdrawn,
    /// A person resolved the OpsItem.
    PersonClosed(Option<PrincipalArn>),
    /// A person reopened the OpsItem.
    PersonReopened(Option<PrincipalArn>),
    /// Mend itself changed the OpsItem.
    OwnChange,
    /// The OpsItem's new status is none that a person gives to a problem.
    OtherStatus,
    /// It is not the incident's OpsItem.
    OtherOpsItem(OpsItemId),
    /// The OpsItem carries no incident of Mend.
    NotAnIncident,
    /// The event is a replay, or too old to be a person's word of today.
    NotLive,
    /// The runbook proved the repair.
    Remediated,
    /// The runbook found nothing to repair.
    AlreadyCompliant,
    /// A cause complains about a time after the attempt's end.
    Contradicted(Cause),
    /// The attempt did not repair it, and why.
    AttemptFailed(AttemptNumber, String),
    /// No further attempt: a person has to look.
    AttemptsExhausted(usize),
    /// No route knows the cause.
    NoRoute(Cause),
    /// A route knows the cause, but not for such a resource.
    OtherResourceType(Cause),
    /// Config could not evaluate the resource.
    InsufficientData,
    /// The resource belongs to another account, whose own Mend answers.
    MemberAccount(AccountId),
    /// The resource is in another Region, whose own Mend answers.
    OtherRegion(Region),
    /// The event was addressed to another account.
    ForeignAccount,
    /// Text that must not reach any API call: in which field, and which rule it breaks.
    Hostile(&'static str, InvalidText),
    /// The execution carries no incident of Mend.
    NotAnAttempt,
    /// The execution undid a repair, as a person wanted.
    Restored,
    /// The execution has not ended.
    NotEnded,
    /// The ledger knows no such incident, or a later generation of it.
    UnknownIncident(IncidentId),
    /// It is not the attempt that is under way.
    OtherAttempt(AttemptNumber),
    /// It is not the execution that was started for the attempt, or not with the attempt's parameters.
    NotThePlan(AttemptNumber),
    /// No cause complains any more.
    NothingComplains,
    /// The start of an attempt waits: what let it begin does not hold any more.
    StartHeld(AttemptNumber),
    /// The route is no longer in the policy.
    RouteGone,
    /// Effects that an earlier invocation left undone are carried out.
    Resumed,
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "a line or two for each reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CauseViolated(cause) => write!(f, "{cause} reports a violation"),
            Self::CauseCleared(cause) => write!(f, "{cause} no longer reports a violation"),
            Self::ModeIs(mode, origin) => write!(f, "mode {mode}: {origin}"),
            Self::KillSwitch(KillSwitch::Engaged { why: Some(why), .. }) => {
                write!(f, "the kill switch is engaged: {why}")
            }
            Self::KillSwitch(KillSwitch::Engaged { why: None, .. }) => f.write_str("the kill switch is engaged"),
            Self::KillSwitch(KillSwitch::Missing) => {
                f.write_str("the kill switch is missing, which counts as engaged")
            }
            Self::KillSwitch(KillSwitch::NotUnderstood) => {
                f.write_str("the kill switch says neither released nor engaged, which counts as engaged")
            }
            Self::KillSwitch(KillSwitch::Released) => f.write_str("the kill switch is released"),
            Self::SwitchesUnreadable => f.write_str("the kill switch could not be read, which counts as engaged"),
            Self::Exempt(exemption) => write!(f, "exempt {exemption}"),
            Self::ExemptionEnded(until) => write!(f, "the exemption of the resource ended at {until}"),
            Self::ExemptionTooLong(until) => write!(
                f,
                "the exemption of the resource until {until} does not hold, because that is more than 90 days ahead"
            ),
            Self::ExemptionNotUnderstood => {
                write!(f, "the exemption of the resource does not hold: {NotAnExemption}")
            }
            Self::TagsUnreadable => {
                f.write_str("the resource's tags could not be read, and they might speak of an exemption")
            }
            Self::BreakerOpen(OpenBreaker { scope: Scope::All, why }) => {
                write!(f, "the circuit breaker of all routes is open: {why}")
            }
            Self::BreakerOpen(OpenBreaker { scope: Scope::Route(_), why }) => {
                write!(f, "the route's circuit breaker is open: {why}")
            }
            Self::CalendarClosed(Some(opens)) => write!(f, "the change calendar is closed until {opens}"),
            Self::CalendarClosed(None) => f.write_str("the change calendar is closed"),
            Self::CalendarCloses(closes) => {
                write!(f, "the change calendar closes at {closes}, before the repair would surely be done")
            }
            Self::CalendarUnreadable(Environment::Prod) => {
                f.write_str("the change calendar could not be read, which counts as closed in prod")
            }
            Self::CalendarUnreadable(environment) => {
                write!(f, "the change calendar could not be read, which counts as open in {environment}")
            }
            Self::Emergency => f.write_str("it is critical, and the route answers emergencies all the same"),
            Self::BudgetSpent(spent) => spent.fmt(f),
            Self::Flapping(Flapping { times, by }) => {
                write!(f, "the problem came {times} times in a day")?;
                by.as_ref().map_or(Ok(()), |by| write!(f, ", and {by} changed the resource last"))
            }
            Self::NoApprovers => {
                f.write_str("approval is needed and the stack's parameter Approvers names nobody")
            }
            Self::NotApproved(number, why) => write!(f, "attempt {number} was not approved: {why}"),
            Self::Interrupted(times) => {
                write!(f, "{times} attempts were stopped or held back, so a person has to look")
            }
            Self::HeldBack(number, why) => write!(f, "attempt {number} was held back: {why}"),
            Self::NotRinging(alarm) => {
                write!(f, "the alarm {alarm} does not ring, and only a person closes a breaker")
            }
            Self::OtherAlarm(alarm) => {
                write!(f, "neither a route nor the stack's parameter BreakerAlarms names {alarm}")
            }
            Self::Undone(execution) => write!(f, "execution {execution} undid the repair"),
            Self::RunbookUnavailable(runbook) => write!(f, "the runbook {runbook} is not there to be started"),
            Self::ResourceHeld(other) => write!(f, "incident {other} is being remediated on the same resource"),
            Self::NextAttempt(number) => write!(f, "attempt {number} begins"),
            Self::AlreadyKnown => f.write_str("nothing new: the ledger has this, or something newer, already"),
            Self::HeldElsewhere => {
                f.write_str("another invocation is working on the incident and will hear of it")
            }
            Self::NothingToClear => f.write_str("no incident is open for the resource"),
            Self::NotLookedSince(resolved) => {
                write!(f, "nothing new: resolved at {resolved}, and the cause has not looked again since")
            }
            Self::CausesRemain(causes) => {
                f.write_str("still reported by ")?;
                for (index, cause) in causes.iter().enumerate() {
                    write!(f, "{}{cause}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::AttemptRuns(number) => {
                write!(f, "attempt {number} is running, and its outcome closes the incident")
            }
            Self::AwaitsPerson => f.write_str("the incident waits for a person already"),
            Self::RequestWithdrawn => f.write_str("the request for approval is withdrawn"),
            Self::PersonClosed(by) => write!(f, "{} resolved the OpsItem", person(by.as_ref())),
            Self::PersonReopened(by) => write!(f, "{} reopened the OpsItem", person(by.as_ref())),
            Self::OwnChange => f.write_str("Mend changed the OpsItem itself"),
            Self::OtherStatus => f.write_str("the OpsItem's status says nothing about whether it is over"),
            Self::OtherOpsItem(id) => write!(f, "{id} is not the incident's OpsItem"),
            Self::NotAnIncident => f.write_str("the OpsItem carries no incident of Mend"),
            Self::NotLive => f.write_str("the event is a replay or older than a day"),
            Self::Remediated => f.write_str("the runbook repaired it and proved it"),
            Self::AlreadyCompliant => f.write_str("the runbook found nothing to repair"),
            Self::Contradicted(cause) => {
                write!(f, "failed verification: {cause} reports a violation from after the attempt's end")
            }
            Self::AttemptFailed(number, why) => write!(f, "attempt {number} failed: {why}"),
            Self::AttemptsExhausted(attempts) => {
                write!(f, "no attempt is left after {attempts}, so a person has to look")
            }
            Self::NoRoute(cause) => write!(f, "no route takes {cause}"),
            Self::OtherResourceType(cause) => {
                write!(f, "the route for {cause} does not take resources of this type")
            }
            Self::InsufficientData => f.write_str("AWS Config has insufficient data to say anything"),
            Self::MemberAccount(account) => {
                write!(f, "the resource belongs to account {account}, whose own Mend answers")
            }
            Self::OtherRegion(region) => write!(f, "the resource is in {region}, whose own Mend answers"),
            Self::ForeignAccount => f.write_str("the event is addressed to another account than the stack's"),
            Self::Hostile(field, broken) => write!(f, "{field}: {broken}"),
            Self::NotAnAttempt => f.write_str("the execution carries no incident and attempt of Mend"),
            Self::Restored => f.write_str("the execution undid a repair, so it is no attempt at one"),
            Self::NotEnded => f.write_str("the execution has not ended"),
            Self::UnknownIncident(incident) => {
                write!(f, "the ledger holds no incident {incident}, or a later one")
            }
            Self::OtherAttempt(number) => write!(f, "attempt {number} is not the one under way"),
            Self::NotThePlan(number) => {
                write!(f, "the execution or its parameters are not those that were planned for attempt {number}")
            }
            Self::NothingComplains => f.write_str("nothing complains any more"),
            Self::StartHeld(number) => write!(f, "the start of attempt {number} waits"),
            Self::RouteGone => f.write_str("the incident's route is no longer in the policy"),
            Self::Resumed => f.write_str("what an earlier invocation left undone is carried on"),
        }
    }
}

impl Reason {
    /// Whether it says why something is not done, and not only what is the case beside it.
    #[must_use]
    pub const fn is_why_not(&self) -> bool {
        !matches!(
            self,
            Self::CauseViolated(_)
                | Self::CauseCleared(_)
                | Self::Emergency
                | Self::Resumed
                | Self::NextAttempt(_)
                | Self::ModeIs(Mode::Observe | Mode::Approve | Mode::Enforce, _)
        )
    }

    /// A name for metrics and queries: what is counted under it stays comparable when the words change.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CauseViolated(_) => "cause-violated",
            Self::CauseCleared(_) => "cause-cleared",
            Self::ModeIs(Mode::Off, _) => "mode-off",
            Self::ModeIs(Mode::Observe, _) => "mode-observe",
            Self::ModeIs(Mode::Approve, _) => "mode-approve",
            Self::ModeIs(Mode::Enforce, _) => "mode-enforce",
            Self::KillSwitch(_) => "kill-switch",
            Self::SwitchesUnreadable => "switches-unreadable",
            Self::Exempt(_) => "exempt",
            Self::ExemptionEnded(_) => "exemption-ended",
            Self::ExemptionTooLong(_) => "exemption-too-long",
            Self::ExemptionNotUnderstood => "exemption-not-understood",
            Self::TagsUnreadable => "tags-unreadable",
            Self::BreakerOpen(_) => "breaker-open",
            Self::CalendarClosed(_) => "calendar-closed",
            Self::CalendarCloses(_) => "calendar-closes",
            Self::CalendarUnreadable(_) => "calendar-unreadable",
            Self::Emergency => "emergency",
            Self::BudgetSpent(_) => "budget-spent",
            Self::Flapping(_) => "flapping",
            Self::NoApprovers => "no-approvers",
            Self::NotApproved(..) => "not-approved",
            Self::Interrupted(_) => "interrupted",
            Self::HeldBack(..) => "held-back",
            Self::NotRinging(_) => "not-ringing",
            Self::OtherAlarm(_) => "other-alarm",
            Self::Undone(_) => "undone",
            Self::RunbookUnavailable(_) => "runbook-unavailable",
            Self::ResourceHeld(_) => "resource-held",
            Self::NextAttempt(_) => "next-attempt",
            Self::AlreadyKnown => "already-known",
            Self::HeldElsewhere => "held-elsewhere",
            Self::NothingToClear => "nothing-to-clear",
            Self::NotLookedSince(_) => "not-looked-since",
            Self::CausesRemain(_) => "causes-remain",
            Self::AttemptRuns(_) => "attempt-runs",
            Self::AwaitsPerson => "awaits-person",
            Self::RequestWithdrawn => "request-withdrawn",
            Self::PersonClosed(_) => "person-closed",
            Self::PersonReopened(_) => "person-reopened",
            Self::OwnChange => "own-change",
            Self::OtherStatus => "other-status",
            Self::OtherOpsItem(_) => "other-ops-item",
            Self::NotAnIncident => "not-an-incident",
            Self::NotLive => "not-live",
            Self::Remediated => "remediated",
            Self::AlreadyCompliant => "already-compliant",
            Self::Contradicted(_) => "contradicted",
            Self::AttemptFailed(..) => "attempt-failed",
            Self::AttemptsExhausted(_) => "attempts-exhausted",
            Self::NoRoute(_) => "no-route",
            Self::OtherResourceType(_) => "other-resource-type",
            Self::InsufficientData => "insufficient-data",
            Self::MemberAccount(_) => "member-account",
            Self::OtherRegion(_) => "other-region",
            Self::ForeignAccount => "foreign-account",
            Self::Hostile(..) => "hostile",
            Self::NotAnAttempt => "not-an-attempt",
            Self::Restored => "restored",
            Self::NotEnded => "not-ended",
            Self::UnknownIncident(_) => "unknown-incident",
            Self::OtherAttempt(_) => "other-attempt",
            Self::NotThePlan(_) => "not-the-plan",
            Self::NothingComplains => "nothing-complains",
            Self::StartHeld(_) => "start-held",
            Self::RouteGone => "route-gone",
            Self::Resumed => "resumed",
        }
    }
}

fn person(by: Option<&PrincipalArn>) -> &str {
    by.map_or("a person", PrincipalArn::as_str)
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
