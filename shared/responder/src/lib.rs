//! The one responder. Every function turns its kind of event into signals or attempt reports and hands
//! them to [`Responder`], which carries the incident as far as it can go.
//!
//! It knows no AWS SDK: the world outside is a handful of narrow traits in [`world`].

mod answer;
mod error;
mod execution;
mod reconcile;
mod respond;
pub mod world;

pub use answer::Answer;
pub use error::{CallError, FinalError, ResponseError, RetryableError, chain};
pub use execution::{Ended, Execution, NoReport, report};
pub use reconcile::{Limits, Reconciled};
pub use respond::{Invocation, Responder, Stack};
