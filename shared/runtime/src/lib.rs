//! Start-up and running of a function: settings, clients, logs, the event's envelope, the answer.

mod clients;
pub mod event;
mod log;
#[cfg(feature = "samples")]
pub mod samples;
pub mod settings;
mod tell;

use std::fmt;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use mend_aws::Aws;
use mend_core::time::Timestamp;
use mend_responder::world::Clock;
use mend_responder::{CallError, Invocation, Responder, ResponseError, chain};
use serde_json::Value;
use thiserror::Error;
use tracing::error;

use event::MalformedEvent;
use settings::Settings;
pub use tell::Tell;

/// Why an event was not answered. Lambda tries it twice more, then keeps it whole in the dead-letter queue.
#[derive(Error)]
pub enum HandlerError {
    /// It does not have the form that AWS documents.
    #[error(transparent)]
    Malformed(#[from] MalformedEvent),
    /// Something that it needs could not be read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The incident could not be carried as far as it should go.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// Another run of `reconcile` may have read a switch before it changed.
    #[error("another run is under way, so what has changed is looked at by the next try")]
    RunUnderWay,
}

impl HandlerError {
    /// A stable name for alarms and queries.
    const fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "MalformedEvent",
            Self::RunUnderWay => "RunUnderWay",
            Self::Call(CallError::Retryable(_)) => "RetryableCall",
            Self::Call(CallError::Final(_)) => "FinalCall",
            Self::Response(ResponseError::Ledger(_)) => "Ledger",
            Self::Response(ResponseError::Facts(_)) => "Facts",
            Self::Response(ResponseError::EffectsLeft { .. }) => "EffectsLeft",
            Self::Response(ResponseError::OutOfTime { .. }) => "OutOfTime",
            Self::Response(ResponseError::LeaseLost { .. }) => "LeaseLost",
            Self::Response(ResponseError::EarlierTry { .. }) => "EarlierTry",
            Self::Response(ResponseError::Contention) => "Contention",
        }
    }
}

impl fmt::Debug for HandlerError {
    /// The whole chain in one line: the runtime logs it so, once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), chain(self))
    }
}

impl From<HandlerError> for Diagnostic {
    fn from(error: HandlerError) -> Self {
        Self { error_type: error.name().to_owned(), error_message: chain(&error) }
    }
}

/// What a handler has at hand.
#[derive(Debug)]
pub struct Hands<'a> {
    /// AWS itself, for what one function alone needs of it.
    pub aws: &'a Aws,
    /// The responder.
    pub responder: Responder<'a, Aws>,
    /// What the function was deployed with.
    pub settings: &'a Settings,
    /// The time at the beginning of the invocation.
    pub now: Timestamp,
}

/// Why a function could not start, or stopped.
#[derive(Debug, Error)]
#[error("the function {function} cannot run")]
pub struct StartError {
    function: &'static str,
    source: lambda_runtime::Error,
}

/// Runs a function: reads its settings, makes its clients, and answers events until Lambda ends it.
pub async fn run<H, A>(function: &'static str, handle: H) -> Result<(), StartError>
where
    H: AsyncFn(Value, Hands<'_>) -> Result<A, HandlerError>,
    A: Tell,
{
    let failed = |source: lambda_runtime::Error| StartError { function, source };
    let clients = clients::clients();
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
    let variable = |name: &str| std::env::var(name).ok();
    log::begin(
        variable("POWERTOOLS_SERVICE_NAME").unwrap_or_else(|| "mend".to_owned()),
        variable("AWS_LAMBDA_LOG_LEVEL").as_deref(),
    );
    let policy = mend_policy::policy();
    let settings = Settings::read(variable, policy).map_err(|wrong| {
        error!(function_name = function, "{wrong}");
        failed(wrong.into())
    })?;
    let metrics = tell::metrics(settings.names.environment).map_err(|error| failed(error.to_string().into()))?;
    let aws = Aws::new(clients.await, settings.names.clone());
    let answer = async |event: LambdaEvent<Value>| {
        let now = aws.now();
        let invocation = Invocation {
            id: event.context.request_id.clone(),
            deadline: deadline(event.context.deadline, now, &settings),
        };
        let hands = Hands {
            aws: &aws,
            responder: Responder::new(&aws, policy, &settings.stack, &invocation),
            settings: &settings,
            now,
        };
        let correlation_id = event.payload.get("id").and_then(Value::as_str).map(str::to_owned);
        let answer = handle(event.payload, hands).await.inspect(|answer| answer.tell(correlation_id.as_deref()));
        tell::flush(metrics);
        answer
    };
    // On the heap: the handler's future is large, and there is one of it.
    Box::pin(lambda_runtime::run(service_fn(answer))).await.map_err(failed)
}

/// When Lambda stops the invocation. `cargo lambda watch` names a moment in 1970: then the time-out counts.
fn deadline(milliseconds: u64, now: Timestamp, settings: &Settings) -> Timestamp {
    let deadline = Timestamp::from_milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    if deadline > now { deadline } else { now.plus(settings.timeout) }
}
