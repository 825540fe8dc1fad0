//! A claimed row: what the ledger holds, and what it shall hold.

use mend_core::budget::BudgetLimits;
use mend_core::gathering::{Day, GatheringId, GatheringKind};
use mend_core::guard::Refusal;
use mend_core::identity::Fingerprint;
use mend_core::incident::{AttemptReport, Incident, State};
use mend_core::time::Timestamp;

use crate::error::ResponseError;
use crate::world::{Booking, Clock, Hold, Lease, Ledger, Row, Start, Write, Written};

/// A row that this invocation has claimed.
#[derive(Debug)]
pub(super) struct Held<'a, W> {
    world: &'a W,
    fingerprint: &'a Fingerprint,
    lease: Lease,
    /// As the ledger holds it.
    stored: Row,
    /// As it shall be.
    pub(super) row: Row,
    /// To be kept with the next write.
    pub(super) before_states: Vec<AttemptReport>,
    /// To be kept with the next write.
    pub(super) history: Option<Incident>,
    /// The limits of the start that the next write books, and how long its turn may be waited for.
    pub(super) limits: Option<(BudgetLimits, Timestamp)>,
    /// So many incidents of a route get an OpsItem of their own in an hour.
    storm_threshold: u32,
    /// When the execution that was booked may be started.
    pub(super) start_at: Option<Timestamp>,
}

/// What came of a write.
pub(super) enum Stored {
    /// The ledger holds the row as it shall be.
    Yes,
    /// Not written: news has come in, and is in the row's inbox now.
    NewsCame,
    /// Not written: a guard rail that only the ledger knows is in the way.
    Refused(Refusal),
}

impl<'a, W: Ledger + Clock> Held<'a, W> {
    pub(super) fn new(
        world: &'a W,
        fingerprint: &'a Fingerprint,
        lease: Lease,
        claimed: Row,
        storm_threshold: u32,
    ) -> Self {
        Self {
            world,
            fingerprint,
            lease,
            row: claimed.clone(),
            stored: claimed,
            before_states: Vec::new(),
            history: None,
            limits: None,
            storm_threshold,
            start_at: None,
        }
    }

    /// Keeps what executions found, each once: a transaction takes one item once.
    pub(super) fn keep(&mut self, before_states: Vec<AttemptReport>) {
        for report in before_states {
            if self.before_states.iter().all(|kept| kept.execution != report.execution) {
                self.before_states.push(report);
            }
        }
    }

    /// Whether there is anything to write.
    pub(super) fn changed(&self) -> bool {
        self.row != self.stored
    }

    /// Writes the row and keeps the lease.
    pub(super) async fn store(&mut self) -> Result<Stored, ResponseError> {
        let mut hold = hold(self.stored.incident.as_ref(), self.row.incident.as_ref());
        loop {
            match self.write(hold).await? {
                Written::Done { version, start_at } => {
                    self.start_at = start_at.or(self.start_at);
                    return Ok(self.stored_as(version));
                }
                // The hold is not ours any more, so there is nothing to give back.
                Written::ResourceHeld(_) if hold == Hold::Release => hold = Hold::Unchanged,
                Written::ResourceHeld(other) => return Ok(Stored::Refused(Refusal::ResourceHeld(other))),
                Written::Spent(spent) => return Ok(Stored::Refused(Refusal::Spent(spent))),
                Written::TooManyOpsItems => self.gather(),
                Written::Overtaken => return self.read_again().await,
            }
        }
    }

    /// The incident gets no OpsItem of its own: that of a gathering stands for it.
    fn gather(&mut self) {
        let day = Day::of(self.world.now());
        if let Some(incident) = &mut self.row.incident {
            let kind = kind(incident);
            incident.join(GatheringId { route: incident.route.clone(), kind, day });
        }
    }

    fn booking(&self) -> Booking {
        let (before, after) = (self.stored.incident.as_ref(), self.row.incident.as_ref());
        let Some(incident) = after else { return Booking::default() };
        let runs = incident.running().is_some();
        let limits = self.limits.filter(|_| starts(before, incident));
        Booking {
            route: Some(incident.route.clone()),
            start: limits.map(|(limits, latest)| Start { limits, runs, latest }),
            ends: before.is_some_and(|before| before.running().is_some()) && !runs,
            ended: ended(before, incident),
            own_ops_item: (wants_ops_item(incident)
                && !before.is_some_and(|before| before.id == incident.id && wants_ops_item(before)))
            .then(|| kind(incident).threshold(self.storm_threshold)),
        }
    }

    async fn write(&self, hold: Hold) -> Result<Written, ResponseError> {
        let write = Write {
            fingerprint: self.fingerprint,
            row: &self.row,
            hold,
            booking: &self.booking(),
            now: self.world.now(),
            before_states: &self.before_states,
            history: self.history.as_ref(),
        };
        self.world.write(&write).await.map_err(ResponseError::Ledger)
    }

    fn stored_as(&mut self, version: u64) -> Stored {
        self.row.version = version;
        self.stored = self.row.clone();
        self.before_states.clear();
        self.history = None;
        self.limits = None;
        Stored::Yes
    }

    /// Writes the row and gives the lease back. `false`: news has come in, so there is more to do first.
    pub(super) async fn settle(&mut self) -> Result<bool, ResponseError> {
        self.row.lease = None;
        match self.store().await? {
            Stored::Yes => Ok(true),
            Stored::NewsCame | Stored::Refused(_) => {
                self.row.lease = Some(self.lease.clone());
                Ok(false)
            }
        }
    }

    /// Gives the lease back and leaves the row as the ledger holds it, if that can still be done.
    pub(super) async fn abandon(&mut self) {
        let row = Row { lease: None, ..self.stored.clone() };
        let write = Write {
            fingerprint: self.fingerprint,
            row: &row,
            hold: Hold::Unchanged,
            booking: &Booking::default(),
            now: self.world.now(),
            before_states: &[],
            history: None,
        };
        // Whoever cannot give it back lets it run out.
        let _ = self.world.write(&write).await;
    }

    /// While the lease holds, others only add to the inbox: the rest of the row stays ours.
    async fn read_again(&mut self) -> Result<Stored, ResponseError> {
        let Some(read) = self.world.read(self.fingerprint).await.map_err(ResponseError::Ledger)? else {
            return Err(self.lost());
        };
        // The write before may have been this one, its answer lost on the way.
        if read == (Row { version: read.version, ..self.row.clone() }) {
            self.start_at = self.limits.map(|(_, latest)| latest).or(self.start_at);
            return Ok(self.stored_as(read.version));
        }
        if read.lease.as_ref().is_none_or(|lease| lease.holder != self.lease.holder) {
            return Err(self.lost());
        }
        self.row.version = read.version;
        self.row.inbox.clone_from(&read.inbox);
        self.stored = read;
        Ok(Stored::NewsCame)
    }

    fn lost(&self) -> ResponseError {
        ResponseError::LeaseLost { fingerprint: self.fingerprint.to_string() }
    }
}

/// An attempt under way holds its resource, against all other incidents.
fn hold(before: Option<&Incident>, after: Option<&Incident>) -> Hold {
    let running = |incident: Option<&Incident>| incident.is_some_and(|incident| incident.running().is_some());
    match (running(before), running(after)) {
        (false, true) => Hold::Take,
        (true, false) => Hold::Release,
        (true, true) | (false, false) => Hold::Unchanged,
    }
}

/// Whether an execution will be started that was not to be started before.
fn starts(before: Option<&Incident>, after: &Incident) -> bool {
    let attempt = |incident: &Incident| Some((incident.id.clone(), incident.current_attempt()?.number));
    let after = attempt(after);
    after.is_some() && before.and_then(attempt) != after
}

/// Whether an attempt has ended that the circuit breaker counts, and has failed.
fn ended(before: Option<&Incident>, after: &Incident) -> Option<bool> {
    let known = before.filter(|before| before.id == after.id).map_or(0, |before| before.finished.len());
    let outcome = &after.finished.get(known..)?.last()?.outcome;
    outcome.counts().then(|| outcome.is_failure())
}

fn wants_ops_item(incident: &Incident) -> bool {
    incident.people_know && incident.gathering.is_none()
}

fn kind(incident: &Incident) -> GatheringKind {
    match incident.state {
        State::Observed(_) => GatheringKind::Observed,
        State::Open
        | State::Suppressed
        | State::Deferred { .. }
        | State::AwaitingApproval(_)
        | State::Remediating(_)
        | State::Escalated
        | State::Reopened
        | State::Resolved { .. } => GatheringKind::Storm,
    }
}
