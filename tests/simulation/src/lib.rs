//! The simulation: the real core and responder in a modelled AWS account, under every order of events and every fault
//! that a seed brings.
//!
//! # How to run it
//!
//! ```text
//! cargo nextest run -p mend-simulation                                   10,000 seeds, and the small worlds
//! MEND_SIMULATION_SEEDS=1000000 cargo nextest run -p mend-simulation     as many as you like
//! MEND_SIMULATION_SEED=4711 cargo nextest run -p mend-simulation --no-capture    one, with its story
//! ```
//!
//! # How to read a failure
//!
//! The test prints the rule that was broken, the seed (or, of a small world, the path of choices), and the story:
//! who did what, when, from the beginning of the world. `#7 write` is a call of invocation 7; what came of it stands
//! indented below, and a fault behind it. The last line says `VIOLATED`. The same seed tells the same story as long as
//! neither Mend nor the simulation is changed.
//!
//! # How it is made
//!
//! - [`choices`]: whatever could go one way or another is asked there, and nowhere else: drawn from a seed,
//!   enumerated, or said again.
//! - `executor`, [`simulation`]: invocations are futures, polled by hand. Each call of the world outside is a point
//!   where another invocation may go on instead, or time may pass. A function dies by never being polled again.
//! - `account`: the services, each in a file, as AWS behaves where it matters to Mend.
//! - `functions`, `happenings`: Lambda with its retries; people, operators, schedules, and what breaks.
//! - `invariants`: what must always hold, against what really happened.
//! - [`small_worlds`]: not some, but all ways in which a few invocations can meet.

mod account;
pub mod choices;
mod executor;
mod faults;
mod functions;
mod happenings;
mod invariants;
mod scene;
pub mod simulation;
pub mod small_worlds;
mod story;

pub use account::Violation;
pub use story::Story;
