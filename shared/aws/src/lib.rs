//! The responder's world on AWS. Here, and nowhere above, are the SDK's types.

mod automation;
mod cache;
mod calendars;
mod configuration;
mod event_bus;
mod failure;
mod ledger;
mod ops_center;
mod parameters;
mod tags;
mod topic;

use std::sync::LazyLock;
use std::time::SystemTime;

use mend_core::automation::{Approver, CalendarName, DocumentVersion, RoleArn, RunbookName};
use mend_core::calendar::CalendarState;
use mend_core::mode::Environment;
use mend_core::time::Timestamp;
use mend_responder::world::Clock;

use crate::cache::Cache;

/// A client that few invocations need, made when the first does: start-up is paid by all.
pub type Rare<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send>>;

/// The clients that functions need.
#[derive(Debug)]
pub struct Clients {
    /// For what AWS Config finds.
    pub config: Rare<aws_sdk_config::Client>,
    /// For the ledger.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// For Mend's bus.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// For people.
    pub sns: aws_sdk_sns::Client,
    /// For OpsItems, runbooks, switches and calendars.
    pub ssm: aws_sdk_ssm::Client,
    /// For the tags of resources.
    pub tagging: Rare<aws_sdk_resourcegroupstagging::Client>,
}

/// What the stack calls its resources.
#[derive(Clone, Debug)]
pub struct Names {
    /// The ledger's table.
    pub table: String,
    /// The topic's ARN.
    pub topic_arn: String,
    /// The bus's name.
    pub event_bus: String,
    /// The environment, which is part of the switches' names.
    pub environment: Environment,
    /// Who may approve; at most ten, and perhaps nobody.
    pub approvers: Vec<Approver>,
    /// The ARN of the topic on which they are asked.
    pub approval_topic_arn: String,
    /// The role that asks them.
    pub approval_role_arn: RoleArn,
    /// The change calendars, if there are any.
    pub calendars: Vec<CalendarName>,
}

/// The world on AWS.
#[derive(Debug)]
pub struct Aws<C = SystemClock> {
    clients: Clients,
    names: Names,
    clock: C,
    parameters: parameters::Known,
    calendar: Cache<(), CalendarState>,
    versions: Cache<RunbookName, DocumentVersion>,
}

impl Aws {
    /// The world behind these clients.
    #[must_use]
    pub fn new(clients: Clients, names: Names) -> Self {
        Self::with_clock(clients, names, SystemClock)
    }
}

impl<C> Aws<C> {
    /// The same, by another clock.
    #[must_use]
    pub fn with_clock(mut clients: Clients, names: Names, clock: C) -> Self {
        let dynamodb = clients.dynamodb.config().to_builder().retry_classifier(ledger::TriesAgain);
        clients.dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.build());
        Self {
            clients,
            names,
            clock,
            parameters: parameters::Known::default(),
            calendar: Cache::default(),
            versions: Cache::default(),
        }
    }
}

impl<C: Clock> Clock for Aws<C> {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn wait_until(&self, time: Timestamp) {
        self.clock.wait_until(time).await;
    }
}

/// The machine's clock: the one place that reads it.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_milliseconds(0).plus(since_epoch)
    }

    async fn wait_until(&self, time: Timestamp) {
        tokio::time::sleep(time.since(self.now())).await;
    }
}
