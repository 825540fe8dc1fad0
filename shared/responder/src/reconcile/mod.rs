//! What no event says: `reconcile` looks at every open incident, at what people did with OpsItems, and at what
//! AWS Config finds wrong. Events of Config and Systems Manager are best effort; this finds the same without them.
//!
//! One run at a time. Each of its parts has a share of the time, and goes on in the next run where it stopped in
//! this one, so that none starves. Whatever is found goes the way of an event, through the same responder, so
//! nothing here can do what an event could not.

mod configuration;
mod incidents;
mod people;

use std::fmt;
use std::time::Duration;

use mend_core::time::Timestamp;
use serde::Serialize;

use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::respond::Responder;
use crate::world::World;

/// What a run may do at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many incidents are opened for what no event has told: a first run in an old account is no flood.
    pub new_incidents: usize,
}

/// What a run found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// Another run was under way, so this one did nothing.
    pub elsewhere: bool,
    /// It went through everything from the beginning to the end.
    pub complete: bool,
    /// How many incidents are open; nothing if it did not go through all of them.
    pub open: Option<usize>,
    /// Incidents that were carried on or decided anew.
    pub resumed: usize,
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
/// So many failures are told in full.
const FAILURES: usize = 20;

/// The share of a run's time that is over when a part has to stop.
#[derive(Clone, Copy)]
enum Share {
    Half,
    TwoThirds,
    Whole,
}

impl Share {
    fn of(self, time: Duration) -> Duration {
        match self {
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
    done: Reconciled,
}

impl<W: World> Responder<'_, W> {
    /// One run.
    pub async fn reconcile(&self, limits: Limits) -> Result<Reconciled, ResponseError> {
        let now = self.world.now();
        let lease = self.lease(now);
        let Some(last) = self.world.begin_run(&lease, now).await.map_err(ResponseError::Ledger)? else {
            return Ok(Reconciled { elsewhere: true, ..Reconciled::default() });
        };
        let began_at = self.world.now();
        let mut run = Run { responder: self, limits, began_at, done: Reconciled::default() };
        let mut left = last.clone();
        left.incident = run.look_at_incidents(last.incident.clone()).await;
        left.people_heard_at = run.hear_people(last.people_heard_at).await;
        left.rule = run.ask_config(last.rule.clone()).await;
        let from_the_beginning = last.incident.is_none() && last.rule.is_none();
        let to_the_end = left.incident.is_none() && left.people_heard_at == Some(began_at) && left.rule.is_none();
        run.done.complete = from_the_beginning && to_the_end && run.done.failures.is_empty();
        self.world.end_run(&lease.holder, &left).await.map_err(ResponseError::Ledger)?;
        Ok(run.done)
    }
}

impl<W: World> Run<'_, '_, W> {
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
            "carried on or decided anew {}, outcomes {}, people heard {}, opened {}{}, cleared {}, left for later {}",
            self.resumed,
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
