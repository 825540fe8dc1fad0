//! Which failures of the SDK are worth another try.

use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use mend_responder::CallError;

/// Codes of errors that pass by themselves. The SDK has tried again by then.
const PASSING: &[&str] = &[
    "AutomationExecutionLimitExceededException",
    "InternalException",
    "InternalFailure",
    "InternalServerError",
    "KMSThrottling",
    "OpsItemConflictException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionConflictException",
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
    let passing = if let SdkError::ServiceError(context) = &error {
        context.raw().status().is_server_error() || context.err().code().is_some_and(passes)
    } else {
        // A call that was made may have arrived or not: every effect has a key for that.
        !matches!(error, SdkError::ConstructionFailure(_))
    };
    if passing { CallError::retryable(attempted, error) } else { CallError::lasting(attempted, remedy, error) }
}
