//! What has to happen outside the ledger. The list is kept in the incident's row: an effect that a crash
//! interrupted is still there, and each has a key that makes its repetition harmless.

use std::fmt;

use super::Incident;

/// A change of the incident that others are told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The plan is recorded, nothing is changed.
    Observed,
    /// A guard rail says not now.
    Deferred,
    /// Operators do not want an answer.
    Suppressed,
    /// A person has to say yes.
    AwaitingApproval,
    /// Nobody has answered the request yet.
    Reminded,
    /// An attempt begins.
    Responding,
    /// A person has to look.
    Escalated,
    /// A person says that it is not over.
    Reopened,
    /// It is over.
    Resolved,
}

impl Change {
    /// Every change.
    pub const ALL: [Self; 9] = [
        Self::Observed,
        Self::Deferred,
        Self::Suppressed,
        Self::AwaitingApproval,
        Self::Reminded,
        Self::Responding,
        Self::Escalated,
        Self::Reopened,
        Self::Resolved,
    ];

    /// The change as the beginning of a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Observed => "Observed, nothing is changed",
            Self::Deferred => "Deferred",
            Self::Suppressed => "Suppressed",
            Self::AwaitingApproval => "Waits for approval",
            Self::Reminded => "Reminded",
            Self::Responding => "Responding",
            Self::Escalated => "Escalated to a person",
            Self::Reopened => "Reopened",
            Self::Resolved => "Resolved",
        }
    }
}

impl fmt::Display for Change {
    /// In CamelCase, as it stands in the ledger and in the detail-types of Mend's events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A change, and which of the incident's changes it is: what tells of it twice says the same number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// What changed.
    pub change: Change,
    /// Counted from 1 over the whole incident.
    pub number: u32,
}

/// One thing that has to happen outside the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Bring the OpsItem, its own or its gathering's, in step with the incident; create it if there is none.
    OpsItem,
    /// Start the runbook of the attempt that is under way.
    Runbook,
    /// Ask for approval of the attempt that waits for it.
    RequestApproval,
    /// Stop asking: the answer matters no more.
    WithdrawApproval,
    /// Look whether so many attempts have failed that the circuit breaker opens.
    Breaker,
    /// Tell people.
    Notification(Occasion),
    /// Tell machines, on Mend's own bus.
    Event(Occasion),
}

impl Incident {
    /// Puts into the outbox what a change asks for.
    pub(super) fn announce(&mut self, change: Change) {
        self.occasions = self.occasions.saturating_add(1);
        let occasion = Occasion { change, number: self.occasions };
        let for_people = match change {
            Change::Observed
            | Change::Deferred
            | Change::AwaitingApproval
            | Change::Reminded
            | Change::Responding
            | Change::Escalated
            | Change::Reopened => true,
            // Who was never told of the problem is not told of its end.
            Change::Suppressed | Change::Resolved => self.people_know,
        };
        if for_people {
            self.people_know = true;
            self.put(Effect::OpsItem);
            // A message that has waited until now is out of date: this one tells the whole story.
            self.outbox.retain(|waiting| !matches!(waiting, Effect::Notification(_)));
        }
        match change {
            Change::Responding => self.put(Effect::Runbook),
            Change::AwaitingApproval => self.put(Effect::RequestApproval),
            Change::Observed
            | Change::Deferred
            | Change::Suppressed
            | Change::Reminded
            | Change::Escalated
            | Change::Reopened
            | Change::Resolved => {}
        }
        // Of what a gathering stands for, people hear from the gathering, unless one of them has to look.
        if for_people && (self.gathering.is_none() || change == Change::Escalated) {
            self.put(Effect::Notification(occasion));
        }
        self.put(Effect::Event(occasion));
    }

    /// An effect brings the outside in step with the incident as it is, so once in the outbox is enough.
    pub(super) fn put(&mut self, effect: Effect) {
        self.outbox.retain(|waiting| *waiting != effect);
        self.outbox.push(effect);
    }

    pub(super) fn put_in_front(&mut self, effect: Effect) {
        self.outbox.retain(|waiting| *waiting != effect);
        self.outbox.insert(0, effect);
    }

    /// Takes a start out of the outbox that has become pointless, and withdraws the request for approval that may
    /// be open.
    pub(super) fn withdraw(&mut self) {
        self.outbox.retain(|waiting| !matches!(waiting, Effect::Runbook | Effect::RequestApproval));
        if let Some(approval) = self.approval.take() {
            self.withdrawn.push(approval);
            self.put(Effect::WithdrawApproval);
        }
    }

    /// Takes an effect out of the outbox that has happened.
    pub fn done(&mut self, effect: Effect) {
        if let Some(index) = self.outbox.iter().position(|waiting| *waiting == effect) {
            self.outbox.remove(index);
        }
    }
}
