//! One write of a row, with all that has to happen together with it.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use mend_core::budget::Spent;
use mend_core::identity::IncidentId;
use mend_core::incident::{AttemptReport, Incident, State};
use mend_core::switches::exemption_parameter;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{Clock, Hold, Write, Written};
use serde::Serialize;

use super::budget::{self, Limits, Turn};
use super::stored::{StoredBeforeState, StoredHistory, StoredHold, StoredRow};
use super::{HOLD, KEEP_BEFORE_STATE, KEEP_CLOSED, KEEP_HEARD, REMEDY, hold_pk, incident_pk, key, number, whose};
use crate::Aws;
use crate::failure::failure;

/// An earlier generation's hold is ours too: one write may end an attempt and begin the next generation's.
const HOLD_IS_FREE_OR_OURS: &str = "attribute_not_exists(pk) OR begins_with(incident, :fingerprint)";
/// So often a start asks for another turn when somebody else has taken the one that it asked for.
const TURNS: usize = 5;

/// What it means that an item's condition has failed.
#[derive(Clone, Debug)]
enum Guard {
    /// The row is no longer the version that was to be replaced.
    Row,
    /// Another incident holds the resource.
    Hold,
    /// A budget is spent.
    Budget(Limits),
    /// The item has no condition.
    Nothing,
}

type Guarded = (TransactWriteItem, Guard);

impl<C: Clock> Aws<C> {
    pub(super) async fn write_row(&self, write: &Write<'_>) -> Result<Written, CallError> {
        if let Some(refused) = budget::refused_outright(write.booking) {
            return Ok(refused);
        }
        let attempted = || format!("write incident {} to the ledger", write.fingerprint);
        let version = write.row.version + 1;
        let items = self.items(write, version, attempted)?;
        let mut turn = Turn::Now;
        let mut turns = 0;
        loop {
            let mut guarded = items.clone();
            for entry in budget::entries(write.booking, write.fingerprint, turn, write.now) {
                let guard = Guard::Budget(entry.limits.clone());
                let item = entry.item(&self.names.table);
                guarded.push((item.map_err(|error| CallError::lasting(attempted(), REMEDY, error))?, guard));
            }
            let Some(refused) = self.transact(guarded, attempted).await? else {
                let start_at = write.booking.start.map(|_| turn.time(write.now));
                return Ok(Written::Done { version, start_at });
            };
            match (&refused, write.booking.start) {
                (Written::Spent(Spent::Pace(next)), Some(start)) if *next <= start.latest && turns < TURNS => {
                    turn = Turn::At(*next);
                    turns += 1;
                }
                _ => return Ok(refused),
            }
        }
    }

    /// All but what is booked.
    fn items(
        &self,
        write: &Write<'_>,
        version: u64,
        attempted: impl Fn() -> String + Copy,
    ) -> Result<Vec<Guarded>, CallError> {
        let mut items = vec![(self.replace_row(write, version, attempted)?, Guard::Row)];
        if let Some(incident) = &write.row.incident {
            match write.hold {
                Hold::Unchanged => {}
                Hold::Take => items.push((self.take_hold(incident, attempted)?, Guard::Hold)),
                Hold::Release => items.push((self.release_hold(incident, attempted)?, Guard::Hold)),
            }
        }
        for report in write.before_states {
            items.push((self.keep_before_state(report, write, attempted)?, Guard::Nothing));
        }
        if let Some(incident) = write.history {
            items.push((self.keep_history(incident, write.now, attempted)?, Guard::Nothing));
        }
        Ok(items)
    }

    /// Comes back with what refused it, if anything did: then nothing has happened.
    async fn transact(
        &self,
        guarded: Vec<Guarded>,
        attempted: impl Fn() -> String,
    ) -> Result<Option<Written>, CallError> {
        let (items, guards): (Vec<_>, Vec<_>) = guarded.into_iter().unzip();
        let request = self.clients.dynamodb.transact_write_items().set_transact_items(Some(items));
        let Err(error) = request.send().await else { return Ok(None) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(failure(attempted(), REMEDY, error));
        };
        let reasons = cancelled.cancellation_reasons();
        match refusal(reasons, &guards) {
            Some(written) => Ok(Some(written)),
            None if !is_refused(reasons) && reasons.iter().any(passes) => {
                Err(CallError::retryable(attempted(), error))
            }
            None => Err(failure(attempted(), REMEDY, error)),
        }
    }

    fn replace_row(
        &self,
        write: &Write<'_>,
        version: u64,
        attempted: impl Fn() -> String,
    ) -> Result<TransactWriteItem, CallError> {
        let expires_at = match write.row.incident.as_ref().map(|incident| &incident.state) {
            Some(State::Resolved { at, .. }) => Some(at.plus(KEEP_CLOSED)),
            Some(_) => None,
            None => Some(write.now.plus(KEEP_HEARD)),
        };
        let stored = StoredRow {
            pk: incident_pk(write.fingerprint),
            sk: "current".to_owned(),
            version,
            expires_at: expires_at.map(Timestamp::seconds),
            open: write.row.is_open().then(|| write.fingerprint.to_string()),
            ..StoredRow::from(write.row)
        };
        let put = self
            .put_item(&stored, &attempted)?
            .condition_expression("version = :replaced")
            .expression_attribute_values(":replaced", number(write.row.version));
        finished(put, attempted)
    }

    fn take_hold(
        &self,
        incident: &Incident,
        attempted: impl Fn() -> String,
    ) -> Result<TransactWriteItem, CallError> {
        let hold = StoredHold { pk: hold_pk(incident), sk: HOLD.to_owned(), incident: incident.id.to_string() };
        let put = self
            .put_item(&hold, &attempted)?
            .condition_expression(HOLD_IS_FREE_OR_OURS)
            .expression_attribute_values(":fingerprint", whose(incident))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        finished(put, attempted)
    }

    fn release_hold(
        &self,
        incident: &Incident,
        attempted: impl Fn() -> String,
    ) -> Result<TransactWriteItem, CallError> {
        let delete = Delete::builder()
            .table_name(&self.names.table)
            .set_key(Some(key(&hold_pk(incident), HOLD)))
            .condition_expression(HOLD_IS_FREE_OR_OURS)
            .expression_attribute_values(":fingerprint", whose(incident))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn keep_before_state(
        &self,
        report: &AttemptReport,
        write: &Write<'_>,
        attempted: impl Fn() -> String,
    ) -> Result<TransactWriteItem, CallError> {
        let exemption = write
            .row
            .incident
            .as_ref()
            .map(|incident| exemption_parameter(self.names.environment, &incident.route, &incident.resource));
        let kept = StoredBeforeState {
            pk: format!("execution#{}", report.execution),
            sk: "before-state".to_owned(),
            incident: report.incident.to_string(),
            attempt: report.attempt.number(),
            runbook: report.runbook.to_string(),
            before_state: report.before_state.clone(),
            exemption,
            expires_at: write.now.plus(KEEP_BEFORE_STATE).seconds(),
        };
        finished(self.put_item(&kept, &attempted)?, attempted)
    }

    fn keep_history(
        &self,
        incident: &Incident,
        now: Timestamp,
        attempted: impl Fn() -> String,
    ) -> Result<TransactWriteItem, CallError> {
        let IncidentId { fingerprint, generation } = &incident.id;
        let kept = StoredHistory {
            pk: incident_pk(fingerprint),
            sk: format!("generation#{:010}", generation.number()),
            incident: incident.into(),
            expires_at: now.plus(KEEP_CLOSED).seconds(),
        };
        finished(self.put_item(&kept, &attempted)?, attempted)
    }

    fn put_item(&self, stored: &impl Serialize, attempted: impl Fn() -> String) -> Result<PutBuilder, CallError> {
        let item =
            serde_dynamo::to_item(stored).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        Ok(Put::builder().table_name(&self.names.table).set_item(Some(item)))
    }
}

fn finished(put: PutBuilder, attempted: impl Fn() -> String) -> Result<TransactWriteItem, CallError> {
    let put = put.build().map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

const CONDITION: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";

/// Whether a cancelled transaction would be refused again. Whoever meets another writer at the row, which comes first,
/// has been overtaken.
pub(super) fn is_refused(reasons: &[CancellationReason]) -> bool {
    let is_overtaken = reasons.first().is_some_and(|row| row.code() == Some(CONFLICT));
    is_overtaken || reasons.iter().any(|reason| reason.code() == Some(CONDITION))
}

/// Whether a transaction was cancelled for something that passes by itself.
pub(super) fn passes(reason: &CancellationReason) -> bool {
    matches!(reason.code(), Some("ProvisionedThroughputExceeded" | "ThrottlingError" | CONFLICT))
}

/// What the first condition says that has failed; reasons and guards are in the order of the items.
fn refusal(reasons: &[CancellationReason], guards: &[Guard]) -> Option<Written> {
    let failed = |(reason, guard): &(&CancellationReason, &Guard)| match guard {
        Guard::Row => matches!(reason.code(), Some(CONDITION | CONFLICT)),
        Guard::Hold | Guard::Budget(_) | Guard::Nothing => reason.code() == Some(CONDITION),
    };
    let (reason, guard) = reasons.iter().zip(guards).find(failed)?;
    let old = || reason.item.clone();
    match guard {
        Guard::Row => Some(Written::Overtaken),
        Guard::Hold => {
            let other: StoredHold = serde_dynamo::from_item(old()?).ok()?;
            other.incident.parse().ok().map(Written::ResourceHeld)
        }
        Guard::Budget(limits) => limits.refusal(old()?),
        Guard::Nothing => None,
    }
}
