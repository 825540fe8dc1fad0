//! A claimed row: what the ledger holds, and what it shall hold.

use mend_core::identity::{Fingerprint, IncidentId};
use mend_core::incident::{AttemptReport, Incident};

use crate::error::ResponseError;
use crate::world::{Hold, Lease, Ledger, Row, Write, Written};

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
}

/// What came of a write.
pub(super) enum Stored {
    /// The ledger holds the row as it shall be.
    Yes,
    /// Not written: news has come in, and is in the row's inbox now.
    NewsCame,
    /// Not written: another incident's attempt holds the resource.
    ResourceHeld(IncidentId),
}

impl<'a, W: Ledger> Held<'a, W> {
    pub(super) fn new(world: &'a W, fingerprint: &'a Fingerprint, lease: Lease, claimed: Row) -> Self {
        Self {
            world,
            fingerprint,
            lease,
            row: claimed.clone(),
            stored: claimed,
            before_states: Vec::new(),
            history: None,
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
        let hold = hold(self.stored.incident.as_ref(), self.row.incident.as_ref());
        let mut written = self.write(hold).await?;
        if hold == Hold::Release && matches!(written, Written::ResourceHeld(_)) {
            // The hold is not ours any more, so there is nothing to give back.
            written = self.write(Hold::Unchanged).await?;
        }
        match written {
            Written::Version(version) => Ok(self.stored_as(version)),
            Written::ResourceHeld(other) => Ok(Stored::ResourceHeld(other)),
            Written::Overtaken => self.read_again().await,
        }
    }

    async fn write(&self, hold: Hold) -> Result<Written, ResponseError> {
        let write = Write {
            fingerprint: self.fingerprint,
            row: &self.row,
            hold,
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
        Stored::Yes
    }

    /// Writes the row and gives the lease back. `false`: news has come in, so there is more to do first.
    pub(super) async fn settle(&mut self) -> Result<bool, ResponseError> {
        self.row.lease = None;
        match self.store().await? {
            Stored::Yes => Ok(true),
            Stored::NewsCame | Stored::ResourceHeld(_) => {
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
