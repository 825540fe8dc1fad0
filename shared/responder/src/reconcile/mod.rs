//! What no event says: `reconcile` looks at the switches, at every open incident, at what people did with OpsItems,
//! and at what AWS Config finds wrong. Events of Config and Systems Manager are best effort; this finds the same without them.
//!
//! One run at a time. Each of its parts has a share of the time. Incidents, people and rules go on in the next run
//! where they stopped in this one, so that none starves; what was deferred begins with the oldest each time. Whatever is found goes the way of an event, through the same responder, so
//! nothing here can do what an event could not.

mod configuration;
mod deferred;
mod gatherings;
mod incidents;
mod people;
mod switches;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use mend_core::identity::Fingerprint;
use mend_core::report::Gathering;
use mend_core::time::Timestamp;
use serde::Serialize;

use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::respond::Responder;
use crate::world::{LastRun, Row, World};

/// What a run may do at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many incidents are opened for what no event has told: a first run in an old account is no flood.
    pub new_incidents: usize,
    /// So long it waits for another run that is under way.
    pub patience: Duration,
}

/// What a run found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Another run was under way, so this one did nothing.
    pub elsewhere: bool,
    /// It went through everything from the beginning to the end.
    pub complete: bool,
    /// How many incidents are open; nothing if they could not be listed.
    pub open: Option<usize>,
    /// Incidents that were carried on or decided anew.
    pub resumed: usize,
    /// Executions that were stopped, because the kill switch says so.
    pub stopped: usize,
    /// Executions whose end no event had told.
    pub outcomes: usize,
    /// OpsItems that a person had resolved or reopened without Mend's hearing of it.
    pub people: usize,
    /// Complaints of Config that no event had told, about what was no open incident.
    pub opened: usize,
    /// Whether there were more of them.
    pub more_to_open: bool,
    /// Causes that had cleared without an event.
    pub cleared: usize,
    /// Incidents that could not be carried as far as they should go. They are written down, and come up again.
    pub left: usize,
    /// What could not be looked at, and why.
    pub failures: Vec<String>,
    /// What came of each incident, for the log.
    #[serde(skip)]
    pub answers: Vec<Answer>,
}

/// Nothing is begun when less time is left: the incident in hand has to come to its end, and the slowest call
/// takes twelve seconds.
const RESERVE: Duration = Duration::from_secs(15);
/// Whoever waits for another run's end looks so often.
const TURN: Duration = Duration::from_secs(1);
/// So many failures are told in full.
const FAILURES: usize = 20;

/// The share of a run's time that is over when a part has to stop.
#[derive(Clone, Copy)]
enum Share {
    Third,
    Half,
    TwoThirds,
    Whole,
}

impl Share {
    fn of(self, time: Duration) -> Duration {
        match self {
            Self::Third => time / 3,
            Self::Half => time / 2,
            Self::TwoThirds => time * 2 / 3,
            Self::Whole => time,
        }
    }
}

/// A run under way.
struct Run<'run, 'world, W> {
    responder: &'run Responder<'world, W>,
    limits: Limits,
    began_at: Timestamp,
    switches_read_at: Timestamp,
    /// What this run has carried on is no longer as it was listed.
    touched: BTreeSet<Fingerprint>,
    done: Reconciled,
}

/// What may need something, as it was at the beginning of the run.
#[derive(Default)]
struct Open {
    rows: BTreeMap<Fingerprint, Row>,
    gatherings: Vec<Gathering>,
}

impl<W: World> Responder<'_, W> {
    /// One run.
    pub async fn reconcile(&self, limits: Limits) -> Result<Reconciled, ResponseError> {
        let came_at = self.world.now();
        let (lease, last) = loop {
            let now = self.world.now();
            let lease = self.lease(now);
            match self.world.begin_run(&lease, now).await.map_err(ResponseError::Ledger)? {
                Some(last) => break (lease, last),
                None if now.since(came_at) < limits.patience => self.world.wait_until(now.plus(TURN)).await,
                None => return Ok(Reconciled { elsewhere: true, ..Reconciled::default() }),
            }
        };
        let began_at = self.world.now();
        let mut run = Run {
            responder: self,
            limits,
            began_at,
            switches_read_at: began_at,
            touched: BTreeSet::new(),
            done: Reconciled { complete: true, ..Reconciled::default() },
        };
        // On the heap: the future is large.
        let left = Box::pin(run.go_through(last.clone())).await;
        let from_the_beginning = last.incident.is_none() && last.rule.is_none();
        let to_the_end = left.incident.is_none() && left.people_heard_at == Some(began_at) && left.rule.is_none();
        run.done.complete &= from_the_beginning && to_the_end && run.done.failures.is_empty();
        self.world.end_run(&lease.holder, &left).await.map_err(ResponseError::Ledger)?;
        Ok(run.done)
    }
}

impl<W: World> Run<'_, '_, W> {
    async fn go_through(&mut self, last: LastRun) -> LastRun {
        let open = match self.open().await {
            Ok(open) => open,
            Err(error) => {
                self.failed(&error);
                return last;
            }
        };
        self.done.open = Some(open.rows.values().filter(|row| row.incident.is_some()).count());
        LastRun {
            kill: self.look_at_switches(&open, last.kill).await,
            incident: self.look_at_incidents(&open, last.incident).await,
            people_heard_at: {
                self.release_deferred(&open).await;
                self.look_at_gatherings(&open).await;
                self.hear_people(last.people_heard_at).await
            },
            rule: self.ask_config(&open, last.rule).await,
        }
    }

    async fn open(&mut self) -> Result<Open, CallError> {
        let mut open = Open::default();
        let mut after = None;
        loop {
            let page = self.responder.world.open_rows(after.as_ref()).await?;
            open.rows.extend(page.rows);
            open.gatherings.extend(page.gatherings);
            for failure in page.not_understood {
                self.failure(failure);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(open),
            }
        }
    }

    /// Whether the part of the run that ends with this share has to stop.
    fn time_is_over(&self, share: Share) -> bool {
        let ends_at = self.responder.invocation.deadline.minus(RESERVE);
        let time = ends_at.since(self.began_at);
        self.responder.world.now() >= self.began_at.plus(share.of(time))
    }

    /// Takes down what could not be looked at. The rest goes on.
    fn failed(&mut self, error: &CallError) {
        self.failure(chain(error));
    }

    fn failure(&mut self, failure: String) {
        if self.done.failures.len() < FAILURES {
            self.done.failures.push(failure);
        }
    }

    /// Takes down what came of one incident.
    fn carried(&mut self, answer: Result<Option<Answer>, ResponseError>) {
        match answer {
            Ok(answer) => self.done.answers.extend(answer),
            Err(error) => {
                tracing::warn!("{}", chain(&error));
                self.done.left += 1;
            }
        }
    }
}

impl fmt::Display for Reconciled {
    /// One sentence for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.elsewhere {
            return f.write_str("another run is under way");
        }
        if let Some(open) = self.open {
            write!(f, "{open} open; ")?;
        }
        write!(
            f,
            "carried on or decided anew {}, stopped {}, outcomes {}, people heard {}, opened {}{}, cleared {}, left for later {}",
            self.resumed,
            self.stopped,
            self.outcomes,
            self.people,
            self.opened,
            if self.more_to_open { " and more to open" } else { "" },
            self.cleared,
            self.left
        )?;
        if !self.complete {
            f.write_str("; not everything was gone through, the next run goes on")?;
        }
        for failure in &self.failures {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}
