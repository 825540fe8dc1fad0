//! The sample events of `events/`, and the place that they come from, for the tests of functions.

use mend_core::account::{AccountId, Partition, Region};
use mend_core::mode::Environment;
use mend_core::report::Place;
use serde_json::Value;

/// A sample of a function, as it stands.
///
/// # Panics
/// If there is none, or it is no JSON.
#[must_use]
#[expect(clippy::expect_used, reason = "in tests, what is not there is a failure")]
pub fn sample(function: &str, name: &str) -> Value {
    let file = format!("{}/../../events/{function}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&file).expect(&file)).expect(&file)
}

/// Where the samples come from.
#[must_use]
pub const fn place() -> Place {
    Place {
        partition: Partition::from_static("aws"),
        account: AccountId::from_static("123456789012"),
        region: Region::from_static("eu-central-1"),
        environment: Environment::Dev,
    }
}
