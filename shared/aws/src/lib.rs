//! The responder's world on AWS. Here, and nowhere above, are the SDK's types.

mod automation;
mod configuration;
mod event_bus;
mod failure;
mod ledger;
mod ops_center;
mod switches;
mod topic;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mend_core::automation::{DocumentVersion, RunbookName};
use mend_core::mode::Environment;
use mend_core::policy::RouteName;
use mend_core::switches::Switches;
use mend_core::time::Timestamp;
use mend_responder::world::Clock;

/// The clients that every function needs.
#[derive(Clone, Debug)]
pub struct Clients {
    /// For what AWS Config finds.
    pub config: aws_sdk_config::Client,
    /// For the ledger.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// For Mend's bus.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// For people.
    pub sns: aws_sdk_sns::Client,
    /// For OpsItems, runbooks and switches.
    pub ssm: aws_sdk_ssm::Client,
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
}

/// The world on AWS.
#[derive(Debug)]
pub struct Aws<C = SystemClock> {
    clients: Clients,
    names: Names,
    clock: C,
    switches: Cache<RouteName, Switches>,
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
        Self { clients, names, clock, switches: Cache::default(), versions: Cache::default() }
    }
}

impl<C: Clock> Clock for Aws<C> {
    fn now(&self) -> Timestamp {
        self.clock.now()
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
}

/// An operator's switch has to hold within 30 seconds.
const FRESH: Duration = Duration::from_secs(25);

/// What was read a moment ago.
#[derive(Debug)]
struct Cache<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + std::hash::Hash + Clone, V: Clone> Cache<K, V> {
    fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, value) = cached.get(key)?;
        (now.since(*read_at) < FRESH).then(|| value.clone())
    }

    fn put(&self, key: &K, now: Timestamp, value: &V) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), (now, value.clone()));
    }
}
