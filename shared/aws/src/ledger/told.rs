//! What is told once.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::Clock;

use super::{Item, REMEDY, key, number};
use crate::Aws;
use crate::failure::failure;

/// Longer than an exemption may reach ahead: its end is told once.
const KEEP_TOLD: Duration = Duration::from_hours(120 * 24);

impl<C: Clock> Aws<C> {
    pub(super) async fn has_told(&self, told: &str) -> Result<bool, CallError> {
        let answer = self
            .clients
            .dynamodb
            .get_item()
            .table_name(&self.names.table)
            .set_key(Some(told_key(told)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| {
                failure(format!("look up in the ledger whether {told} has been told"), REMEDY, error)
            })?;
        Ok(answer.item.is_some())
    }

    pub(super) async fn keep_told(&self, told: &str, now: Timestamp) -> Result<(), CallError> {
        let mut item = told_key(told);
        item.insert("told_at".to_owned(), AttributeValue::N(now.milliseconds().to_string()));
        item.insert("expires_at".to_owned(), number(now.plus(KEEP_TOLD).seconds()));
        self.clients
            .dynamodb
            .put_item()
            .table_name(&self.names.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(|error| failure(format!("write to the ledger that {told} has been told"), REMEDY, error))?;
        Ok(())
    }
}

fn told_key(told: &str) -> Item {
    key(&format!("told#{told}"), "told")
}
