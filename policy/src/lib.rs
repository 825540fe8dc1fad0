//! Mend's policy: the routes of `policy/*.yaml`.

use std::sync::LazyLock;

use mend_core::policy::Policy;

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::new(include!(concat!(env!("OUT_DIR"), "/routes.rs"))));

/// The policy that was compiled in.
#[must_use]
pub fn policy() -> &'static Policy {
    &POLICY
}
