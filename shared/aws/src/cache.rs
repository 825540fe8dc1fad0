//! What was read a moment ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mend_core::time::Timestamp;

/// What an operator switches has to hold within 30 seconds.
pub(crate) const FRESH: Duration = Duration::from_secs(20);

/// Values, each with the time at which it was asked for.
#[derive(Debug)]
pub(crate) struct Cache<K, V>(Mutex<HashMap<K, (Timestamp, V)>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_at, value) = cached.get(key)?;
        is_fresh(*asked_at, now).then(|| value.clone())
    }

    /// Makes room by what is too old.
    pub(crate) fn put(&self, key: K, asked_at: Timestamp, value: V) {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cached.retain(|_, (read_at, _)| is_fresh(*read_at, asked_at));
        cached.insert(key, (asked_at, value));
    }
}

pub(crate) fn is_fresh(asked_at: Timestamp, now: Timestamp) -> bool {
    now.since(asked_at) < FRESH
}
