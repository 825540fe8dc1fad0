//! The responder's world against the wire: what each operation sends to AWS, field by field, and what
//! becomes of AWS's answers. The SDK is the real one, with its retries; its pauses cost no time.

#[cfg(test)]
mod automation;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod calendars;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod event_bus;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod gatherings;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod ops_center;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tags;
#[cfg(test)]
mod told;
#[cfg(test)]
mod topic;
#[cfg(test)]
mod wire;
