//! Mend's functions, and Lambda, which invokes them.
//!
//! Each function does here what its crate under `functions/` does between the parsed event and the responder.

use std::fmt;
use std::time::Duration;

use mend_core::automation::{ExecutionId, OpsItemId};
use mend_core::incident::PersonsWord;
use mend_core::signal::{CauseState, Signal};
use mend_core::time::Timestamp;
use mend_responder::world::{Automation, Clock};
use mend_responder::{Invocation, Limits, NoReport, Responder, chain, report};

use crate::account::Hands;
use crate::scene::{ALARM, PERSON, Stage};

/// A function and its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// A rule of Config says something new.
    ConfigCompliance(Signal),
    /// An execution has ended.
    AutomationOutcome(ExecutionId),
    /// A person has set an OpsItem's status.
    OpsItemUpdate { ops_item: OpsItemId, state: CauseState, at: Timestamp },
    /// The schedule, a switch or a calendar says that it is time.
    Reconcile,
    /// The alarm of a route rings.
    CircuitBreaker,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigCompliance(signal) => {
                let what = match signal.state {
                    CauseState::Violated => "violation",
                    CauseState::Clear => "clear",
                };
                write!(
                    f,
                    "config-compliance ({what} of {}, {}, as of {})",
                    signal.resource.id, signal.cause, signal.at
                )
            }
            Self::AutomationOutcome(execution) => write!(f, "automation-outcome ({execution})"),
            Self::OpsItemUpdate { ops_item, state, .. } => write!(f, "ops-item-update ({ops_item}, {state:?})"),
            Self::Reconcile => f.write_str("reconcile"),
            Self::CircuitBreaker => f.write_str("circuit-breaker"),
        }
    }
}

impl Function {
    /// Its time-out, as the template says.
    pub(crate) const fn timeout(&self) -> Duration {
        match self {
            Self::Reconcile => Duration::from_secs(50),
            Self::ConfigCompliance(_)
            | Self::AutomationOutcome(_)
            | Self::OpsItemUpdate { .. }
            | Self::CircuitBreaker => Duration::from_secs(30),
        }
    }

    /// One invocation. Comes back with what it answers, or why it failed.
    pub(crate) async fn invoke(
        self,
        stage: &Stage,
        hands: Hands<'_, '_>,
        invocation: Invocation,
    ) -> Result<String, String> {
        let responder = Responder::new(&hands, &stage.policy, &stage.stack, &invocation);
        let answer = match self {
            Self::ConfigCompliance(signal) => responder.signal(signal).await,
            Self::AutomationOutcome(id) => {
                let said = hands.execution(&id).await.map_err(|error| chain(&error))?;
                let said = said.ok_or_else(|| format!("there is no execution {id}"))?;
                let reported = report(&id, &said, hands.now());
                match reported {
                    Ok(ended) => responder.ended(ended).await,
                    Err(NoReport::NotOurs(decision)) => return Ok(format!("{decision:?}")),
                    Err(NoReport::NotYet) => return Err("it has not ended yet".to_owned()),
                }
            }
            Self::OpsItemUpdate { ops_item, state, at } => {
                let incident = hands.incident_of(&ops_item).await.map_err(|error| chain(&error))?;
                let Some(incident) = incident else { return Ok("not an incident's".to_owned()) };
                responder.person(PersonsWord { incident, ops_item, state, by: Some(PERSON), at }).await
            }
            Self::Reconcile => {
                let limits = Limits { new_incidents: 10, patience: Duration::from_secs(5) };
                let done = responder.reconcile(limits).await.map_err(|error| chain(&error))?;
                return Ok(done.to_string());
            }
            Self::CircuitBreaker => {
                let opened = responder.alarm(&ALARM, "the alarm rings", &[]).await;
                return opened.map(|opened| format!("{opened:?}")).map_err(|error| chain(&error));
            }
        };
        match answer {
            Ok(answer) => {
                let reasons: Vec<_> = answer.reasons.iter().map(ToString::to_string).collect();
                Ok(format!("{}: {}", answer.decision, reasons.join("; ")))
            }
            Err(error) => Err(chain(&error)),
        }
    }
}
