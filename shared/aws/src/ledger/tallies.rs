//! What has ended, by the hour.

use aws_sdk_dynamodb::types::KeysAndAttributes;
use mend_core::breaker::Tallies;
use mend_core::budget::{Hour, Tally};
use mend_core::policy::RouteName;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::Clock;
use serde::Deserialize;
use thiserror::Error;

use super::budget::{ALL, tally_key};
use super::stored::NotUnderstood;
use super::{REMEDY, REPAIR_ROW};
use crate::Aws;
use crate::failure::failure;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StoredTally {
    pk: String,
    ended: u32,
    failed: u32,
}

/// `DynamoDB` gives back what it had no time for.
#[derive(Debug, Error)]
#[error("DynamoDB left a part of the counters unread")]
struct Unread;

impl<C: Clock> Aws<C> {
    pub(super) async fn count(&self, route: &RouteName, now: Timestamp) -> Result<Tallies, CallError> {
        let attempted = || format!("read how the attempts of {route} have ended from the ledger");
        let (hour, before) = (Hour::of(now), Hour::of(now).before());
        let keys = [route.as_str(), ALL].into_iter().flat_map(|of| [tally_key(of, hour), tally_key(of, before)]);
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.collect()))
            .consistent_read(true)
            .build()
            .map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        let answer = self
            .clients
            .dynamodb
            .batch_get_item()
            .request_items(&self.names.table, wanted)
            .send()
            .await
            .map_err(|error| failure(attempted(), REMEDY, error))?;
        if answer.unprocessed_keys.is_some_and(|unprocessed| !unprocessed.is_empty()) {
            return Err(CallError::retryable(attempted(), Unread));
        }
        let mut tallies = Tallies::default();
        for item in answer.responses.unwrap_or_default().into_values().flatten() {
            let stored: StoredTally = serde_dynamo::from_item(item)
                .map_err(|error| CallError::lasting(attempted(), REPAIR_ROW, NotUnderstood::from(error)))?;
            let tally = Tally { ended: stored.ended, failed: stored.failed };
            let sum = if stored.pk == "tally#all" { &mut tallies.all } else { &mut tallies.route };
            *sum = sum.plus(tally);
        }
        Ok(tallies)
    }
}
