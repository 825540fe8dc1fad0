//! AWS at the other end of the wire: it gives the answers of a script, in their order, and keeps what it
//! was asked.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use aws_sdk_ssm::config::http::{HttpRequest, HttpResponse};
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use mend_aws::{Aws, Clients, Names, Rare};
use mend_core::automation::{Approver, CalendarName, RoleArn};
use mend_core::mode::Environment;
use mend_core::time::Timestamp;
use mend_responder::world::Clock;
use serde_json::{Value, json};

use crate::samples::now;

/// As often as the functions let the SDK try.
pub(crate) const TRIES: u32 = 4;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into() }
    }

    /// Success, of a service that speaks JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, body.to_string())
    }

    /// Failure, of a service that speaks JSON.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::error_with(status, code, json!({}))
    }

    /// Failure with fields of its own.
    pub(crate) fn error_with(status: u16, code: &str, mut fields: Value) -> Self {
        fields["__type"] = json!(code);
        Self::new(status, fields.to_string())
    }
}

/// One call, as it arrives at AWS.
#[derive(Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) body: Value,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.body)
    }
}

pub(crate) fn call(operation: &str, body: Value) -> Call {
    Call { operation: operation.to_owned(), body }
}

impl From<&HttpRequest> for Call {
    fn from(request: &HttpRequest) -> Self {
        let body = request.body().bytes().unwrap();
        if let Some(target) = request.headers().get("x-amz-target") {
            let (_, operation) = target.rsplit_once('.').unwrap();
            return call(operation, serde_json::from_slice(body).unwrap());
        }
        let form = form_urlencoded::parse(body).into_owned();
        let body: Value = form.map(|(name, value)| (name, Value::String(value))).collect();
        Self { operation: body["Action"].as_str().unwrap().to_owned(), body }
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub(crate) struct HandClock(Rc<Cell<Timestamp>>);

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.set(self.0.get().plus(by));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }

    async fn wait_until(&self, time: Timestamp) {
        self.0.set(time);
    }
}

#[derive(Debug)]
pub(crate) struct Wire {
    http: StaticReplayClient,
    pub(crate) clock: HandClock,
}

macro_rules! client {
    ($sdk:ident, $http:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .with_test_defaults_v2()
                .http_client($http.clone())
                .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
                .build(),
        )
    };
}

fn ready<C: Send + 'static>(client: C) -> Rare<C> {
    Rare::new(Box::new(|| client))
}

impl Wire {
    /// After the last answer, the line is dead.
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = answers.into_iter().map(|Answer { status, body }| {
            let response = HttpResponse::new(status.try_into().unwrap(), body.into());
            ReplayEvent::new(HttpRequest::empty(), response)
        });
        Self { http: StaticReplayClient::new(answers.collect()), clock: HandClock(Rc::new(Cell::new(now()))) }
    }

    pub(crate) fn world(&self) -> Aws<HandClock> {
        self.world_with(vec![CalendarName::from_static("Freeze"), CalendarName::from_static("Holidays")])
    }

    pub(crate) fn world_with(&self, calendars: Vec<CalendarName>) -> Aws<HandClock> {
        let clients = Clients {
            config: ready(client!(aws_sdk_config, self.http)),
            dynamodb: client!(aws_sdk_dynamodb, self.http),
            eventbridge: client!(aws_sdk_eventbridge, self.http),
            sns: client!(aws_sdk_sns, self.http),
            ssm: client!(aws_sdk_ssm, self.http),
            tagging: ready(client!(aws_sdk_resourcegroupstagging, self.http)),
        };
        let names = Names {
            table: "mend-dev-ledger".to_owned(),
            topic_arn: "arn:aws:sns:eu-central-1:123456789012:mend-dev".to_owned(),
            event_bus: "mend-dev".to_owned(),
            environment: Environment::Dev,
            approvers: vec![
                Approver::from_static("lee"),
                Approver::from_static("arn:aws:iam::123456789012:role/operators"),
            ],
            approval_topic_arn: "arn:aws:sns:eu-central-1:123456789012:Automation-mend-dev".to_owned(),
            approval_role_arn: RoleArn::from_static("arn:aws:iam::123456789012:role/mend-dev-approval"),
            calendars,
        };
        Aws::with_clock(clients, names, self.clock.clone())
    }

    /// What has been answered so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.http.actual_requests().map(Call::from).collect()
    }

    pub(crate) fn operations(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.operation).collect()
    }
}
