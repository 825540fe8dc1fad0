//! Which failures of the SDK are worth another try.

use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use mend_responder::CallError;

/// Codes of errors that pass by themselves. The SDK has tried again by then.
const PASSING: [&str; 14] = [
    "AutomationExecutionLimitExceededException",
    "InternalFailure",
    "InternalServerError",
    "OpsItemConflictException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Whether an error code passes by itself.
pub(crate) fn passes(code: &str) -> bool {
    PASSING.contains(&code)
}

/// A failed call in the responder's terms. `attempted` goes on from "could not".
pub(crate) fn failure<E>(attempted: String, remedy: &'static str, error: SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let passing = match &error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(context) => {
            context.raw().status().is_server_error() || context.err().code().is_some_and(passes)
        }
        // The call may have arrived or not: every effect has a key for that.
        _ => true,
    };
    if passing { CallError::retryable(attempted, error) } else { CallError::lasting(attempted, remedy, error) }
}
