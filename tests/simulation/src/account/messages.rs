//! What Mend has told people (SNS) and machines (its own event bus).

use std::collections::{BTreeMap, BTreeSet};

use mend_core::incident::Change;
use mend_core::report::{MendEvent, Notification};
use mend_responder::CallError;
use mend_responder::world::{EventBus, Topic};

use super::Hands;

/// Everything that was told, by the id that a repetition shares.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub(crate) notifications: BTreeSet<String>,
    pub(crate) events: BTreeMap<String, Change>,
}

fn id(json: &serde_json::Value) -> String {
    json.get("id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

impl Topic for Hands<'_, '_> {
    async fn publish(&self, notification: &Notification) -> Result<(), CallError> {
        self.call("publish", |state| {
            state.tell(|| format!("    published: {}", notification.subject));
            state.messages.notifications.insert(id(&notification.json));
            Ok(())
        })
        .await
    }
}

impl EventBus for Hands<'_, '_> {
    async fn put(&self, event: &MendEvent) -> Result<(), CallError> {
        self.call("put event", |state| {
            state.messages.events.insert(id(&event.detail), event.change);
            Ok(())
        })
        .await
    }
}
