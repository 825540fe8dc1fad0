//! Names for incidents and attempts, and the keys of their effects. All derive from the problem itself:
//! whoever handles an event, however often it comes, arrives at the same keys.

use std::fmt::{self, Write as _};
use std::num::{NonZeroU8, NonZeroU32};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::policy::Problem;
use crate::resource::Resource;
use crate::text::{is_hex, text_type};
use crate::time::Timestamp;

text_type! {
    /// One problem on one resource, whichever feed reports it: half of a SHA-256 over account, Region,
    /// resource and problem. The route's name is not in it, so that renaming a route orphans nothing.
    Fingerprint, "a fingerprint", "32 hexadecimal digits", is_fingerprint
}

const fn is_fingerprint(text: &[u8]) -> bool {
    is_hex(text, 32)
}

impl Fingerprint {
    /// The fingerprint of a problem on a resource.
    #[must_use]
    pub fn of(resource: &Resource, problem: &Problem) -> Self {
        Self(digest(&[
            resource.account.as_str(),
            resource.region.as_str(),
            resource.kind.as_str(),
            resource.id.as_str(),
            problem.as_str(),
        ]))
    }
}

/// The key under which one attempt at a time holds a resource, across all routes.
#[must_use]
pub fn resource_key(resource: &Resource) -> String {
    digest(&[resource.account.as_str(), resource.region.as_str(), resource.kind.as_str(), resource.id.as_str()])
        .into_owned()
}

fn digest(parts: &[&str]) -> std::borrow::Cow<'static, str> {
    let mut digits = whole_digest(parts);
    digits.truncate(32);
    digits.into()
}

/// A SHA-256 over the parts, in hexadecimal digits.
pub(crate) fn whole_digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // A line break cannot be in any part, so no two lists of parts hash the same text.
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    let mut digits = String::with_capacity(64);
    for byte in &hash.finalize() {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// How many times the problem has come back: 1 for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(NonZeroU32);

impl Generation {
    /// The first time that the problem is seen.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// From its number, counted from 1.
    #[must_use]
    pub const fn new(number: NonZeroU32) -> Self {
        Self(number)
    }

    /// Its number, counted from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// How many times the runbook has been started for the incident: 1 for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNumber(NonZeroU8);

impl AttemptNumber {
    /// The first start.
    pub const FIRST: Self = Self(NonZeroU8::MIN);

    /// From its number, counted from 1.
    #[must_use]
    pub const fn new(number: NonZeroU8) -> Self {
        Self(number)
    }

    /// Its number, counted from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.get()
    }

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AttemptNumber {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidIdentity)
    }
}

/// An incident: fingerprint and generation, written `<fingerprint>-<generation>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId {
    /// Which problem.
    pub fingerprint: Fingerprint,
    /// The how-manieth time.
    pub generation: Generation,
}

/// Text that is no incident id, or no attempt number.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "an incident id must be 32 hexadecimal digits, a hyphen and a number from 1; an attempt a number from 1 to 255"
)]
pub struct InvalidIdentity;

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.fingerprint, self.generation.number())
    }
}

impl FromStr for IncidentId {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (fingerprint, generation) = text.split_once('-').ok_or(InvalidIdentity)?;
        Ok(Self {
            fingerprint: Fingerprint::new(fingerprint).map_err(|_| InvalidIdentity)?,
            generation: Generation(generation.parse().map_err(|_| InvalidIdentity)?),
        })
    }
}

/// The namespace of every `UUIDv5` that Mend makes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d65_6e64_2f61_7773_8d11_5c1e_0a3c_9b57);

/// A key for one effect, as the UUID that Automation wants for its `ClientToken`.
///
/// `opened_at` is part of it: a ledger row expires some time after its incident is resolved, and the
/// count of generations begins anew.
#[must_use]
pub fn effect_key(incident: &IncidentId, opened_at: Timestamp, effect: &str) -> Uuid {
    let name = format!("{incident}/{}/{effect}", opened_at.milliseconds());
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountId, Region};
    use crate::resource::{ResourceId, ResourceType};

    fn resource(id: &'static str) -> Resource {
        Resource {
            account: AccountId::from_static("111122223333"),
            region: Region::from_static("eu-central-1"),
            kind: ResourceType::from_static("AWS::EC2::SecurityGroup"),
            id: ResourceId::from_static(id),
        }
    }

    #[test]
    fn a_fingerprint_is_stable_and_tells_problems_apart() {
        let open = Problem::from_static("open-admin-ports");
        let fingerprint = Fingerprint::of(&resource("sg-1"), &open);
        // Written down: a change of this value would orphan every open incident of every user.
        assert_eq!(fingerprint.as_str(), "b437a77f9b0d0afd6aaad19826afb28c");
        assert_ne!(fingerprint, Fingerprint::of(&resource("sg-2"), &open));
        assert_ne!(fingerprint, Fingerprint::of(&resource("sg-1"), &Problem::from_static("no-description")));
    }

    #[test]
    fn incident_ids_survive_the_round_trip_through_a_runbook_parameter() {
        let text = "0123456789abcdef0123456789abcdef-12";
        assert_eq!(text.parse::<IncidentId>().unwrap().to_string(), text);
        for wrong in [
            "",
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcdef-",
            "0123456789abcdef0123456789abcdef-0",
            "0123456789ABCDEF0123456789abcdef-1",
            "0123456789abcdef0123456789abcdef-1-1",
            "{{ global:ACCOUNT_ID }}-1",
        ] {
            assert_eq!(wrong.parse::<IncidentId>(), Err(InvalidIdentity), "{wrong}");
        }
    }

    #[test]
    fn effect_keys_differ_by_generation_attempt_and_opening() {
        let first: IncidentId = "0123456789abcdef0123456789abcdef-1".parse().unwrap();
        let second: IncidentId = "0123456789abcdef0123456789abcdef-2".parse().unwrap();
        let opened = Timestamp::from_milliseconds(1_000);
        let key = effect_key(&first, opened, "attempt/1");
        assert_eq!(key, effect_key(&first, opened, "attempt/1"));
        assert_ne!(key, effect_key(&first, opened, "attempt/2"));
        assert_ne!(key, effect_key(&second, opened, "attempt/1"));
        assert_ne!(key, effect_key(&first, Timestamp::from_milliseconds(2_000), "attempt/1"));
    }
}
