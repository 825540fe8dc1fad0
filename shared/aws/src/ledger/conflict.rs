//! Two writers that meet at one item. DynamoDB refuses one of them at once, a moment later it would have
//! gone through, and the SDK by itself does not try again.

use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::transaction::{is_refused, passes};

/// Lets the SDK try again after such a meeting, with its own pauses.
#[derive(Debug)]
pub(crate) struct TriesAgain;

impl ClassifyRetry for TriesAgain {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.output_or_error().and_then(Result::err);
        let Some(error) = failed.and_then(|error| error.as_operation_error()) else {
            return RetryAction::NoActionIndicated;
        };
        let update = error.downcast_ref().is_some_and(UpdateItemError::is_transaction_conflict_exception);
        let transaction = match error.downcast_ref() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                !is_refused(reasons) && reasons.iter().any(passes)
            }
            _ => false,
        };
        if update || transaction { RetryAction::transient_error() } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "writers that meet at one item of the ledger"
    }
}
