//! The pure heart of Mend: signals, policy, guard rails, decisions and the incident's state machine.
//!
//! Data in, data out: no I/O, no clock, no randomness and no environment in here. Time and ids are handed in.

pub mod account;
pub mod automation;
pub mod breaker;
pub mod budget;
pub mod calendar;
pub mod decision;
pub mod exemption;
pub mod gathering;
pub mod guard;
pub mod identity;
pub mod incident;
pub mod mode;
pub mod policy;
pub mod report;
pub mod resource;
pub mod signal;
pub mod switches;
pub mod text;
pub mod time;
