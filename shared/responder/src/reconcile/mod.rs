//! What no event says: `reconcile` looks at every open incident, at what people did with OpsItems, and at what
//! AWS Config finds wrong. Events of Config and Systems Manager are best effort; this finds the same without them.
//!
//! One run at a time, and as far as the time goes: the next begins where this one stopped. Whatever is found goes
//! the way of an event, through the same responder, so nothing here can do what an event could not.

mod configuration;
mod incidents;
mod people;

use std::fmt;
use std::time::Duration;

use mend_core::decision::Reason;
use serde::Serialize;
use tracing::warn;

use crate::answer::Answer;
use crate::error::{CallError, ResponseError, chain};
use crate::respond::Responder;
use crate::world::{LastRun, Position, World};

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
    /// Everything was looked at; else the next run goes on where this one stopped.
    pub complete: bool,
    /// Incidents that are open, as far as this run came.
    pub open: usize,
    /// Of these, those that were carried on or decided anew.
    pub resumed: usize,
    /// Executions whose end no event had told.
    pub outcomes: usize,
    /// OpsItems that a person had resolved or reopened without Mend's hearing of it.
    pub people: usize,
    /// Incidents opened for what no event had told.
    pub opened: usize,
    /// Whether more would have been opened.
    pub more_to_open: bool,
    /// Causes that had cleared without an event.
    pub cleared: usize,
    /// Incidents that were escalated to a person on the way.
    pub escalated: usize,
    /// Incidents that could not be carried as far as they should go. They are written down, and come up again.
    pub left: usize,
    /// What could not be looked at, and why.
    pub failures: Vec<String>,
}

/// Nothing is begun when less time is left: the incident in hand has to come to its end.
const RESERVE: Duration = Duration::from_secs(10);

/// Why a part of a run ended before its end.
enum Stop {
    /// The time is over, and the next run goes on here.
    OutOfTime(Position),
    /// It could not be looked at.
    Failed(CallError),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

/// A run under way.
struct Run<'run, 'world, W> {
    responder: &'run Responder<'world, W>,
    limits: Limits,
    done: Reconciled,
}

impl<W: World> Responder<'_, W> {
    /// One run.
    pub async fn reconcile(&self, limits: Limits) -> Result<Reconciled, ResponseError> {
        let began_at = self.world.now();
        let lease = self.lease(began_at);
        let Some(last) = self.world.begin_run(&lease, began_at).await.map_err(ResponseError::Ledger)? else {
            return Ok(Reconciled { elsewhere: true, ..Reconciled::default() });
        };
        let mut run = Run { responder: self, limits, done: Reconciled::default() };
        let mut left = LastRun { people_heard_at: last.people_heard_at, position: Position::Start };
        if let Some(position) = run.go_on(&last, &mut left).await {
            left.position = position;
        } else {
            run.done.complete = true;
        }
        self.world.end_run(&lease.holder, &left).await.map_err(ResponseError::Ledger)?;
        Ok(run.done)
    }
}

impl<W: World> Run<'_, '_, W> {
    /// Everything from the position on. Comes back with where the time was over.
    async fn go_on(&mut self, last: &LastRun, left: &mut LastRun) -> Option<Position> {
        let (incidents, people, rules) = match last.position.clone() {
            Position::Start => (Some(None), true, None),
            Position::Incidents(after) => (Some(Some(after)), true, None),
            Position::People => (None, true, None),
            Position::Rules(rule) => (None, false, Some(rule)),
        };
        if let Some(after) = incidents {
            let looked = self.look_at_incidents(after).await;
            if let Some(position) = self.stopped(looked) {
                return Some(position);
            }
        }
        if people {
            let began_at = self.responder.world.now();
            let heard = self.hear_people(last.people_heard_at).await;
            if heard.is_ok() {
                left.people_heard_at = Some(began_at);
            }
            if let Some(position) = self.stopped(heard) {
                return Some(position);
            }
        }
        let asked = self.ask_config(rules).await;
        self.stopped(asked)
    }

    fn time_is_over(&self) -> bool {
        self.responder.world.now().plus(RESERVE) >= self.responder.invocation.deadline
    }

    /// Where the run stopped, if the time is over. What failed is taken down, and the run goes on.
    fn stopped(&mut self, part: Result<(), Stop>) -> Option<Position> {
        match part {
            Ok(()) => None,
            Err(Stop::OutOfTime(position)) => Some(position),
            Err(Stop::Failed(error)) => {
                self.done.failures.push(chain(&error));
                None
            }
        }
    }

    /// Takes down what came of one incident.
    fn carried(&mut self, answer: Result<Option<Answer>, ResponseError>) {
        match answer {
            Ok(answer) => self.done.escalated += usize::from(answer.is_some_and(|answer| answer.escalated())),
            Err(error) => {
                warn!("{}", chain(&error));
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
        write!(
            f,
            "{} open; carried on or decided anew {}, outcomes {}, people heard {}, opened {}{}, cleared {}, \
             escalated {}, left for later {}",
            self.open,
            self.resumed,
            self.outcomes,
            self.people,
            self.opened,
            if self.more_to_open { " and more to open" } else { "" },
            self.cleared,
            self.escalated,
            self.left
        )?;
        if !self.complete {
            f.write_str("; the time is over, the next run goes on")?;
        }
        for failure in &self.failures {
            write!(f, "; {failure}")?;
        }
        Ok(())
    }
}

impl Answer {
    /// Whether a person was called.
    #[must_use]
    pub fn escalated(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, Reason::AttemptsExhausted(_)))
    }
}
