//! OpsCenter: a dedup string holds among the OpsItems that are not resolved. Lists are a little behind.

use std::collections::BTreeMap;
use std::time::Duration;

use mend_core::account::PrincipalArn;
use mend_core::automation::OpsItemId;
use mend_core::identity::IncidentId;
use mend_core::report::{OperationalValue, OpsItemContent, OpsItemStatus};
use mend_core::signal::CauseState;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{OpsCenter, OpsItemSeen};

use super::{Hands, State};
use crate::functions::Function;
use crate::scene::{FUNCTION, PERSON};

/// How far lists may be behind.
const LAG: Duration = Duration::from_secs(2);

/// An OpsItem.
#[derive(Clone, Debug)]
pub(crate) struct OpsItem {
    pub(crate) content: OpsItemContent,
    /// Whether a person has set the status last.
    pub(crate) set_by_person: bool,
    by: PrincipalArn,
    created_at: Timestamp,
    changed_at: Timestamp,
}

impl OpsItem {
    /// The searchable value of a key.
    pub(crate) fn says(&self, key: &str) -> Option<&str> {
        match self.content.operational_data.get(key)? {
            OperationalValue::Searchable(text) | OperationalValue::Plain(text) => Some(text),
        }
    }

    /// Of which incident it is; none if it is a gathering's.
    pub(crate) fn incident(&self) -> Option<IncidentId> {
        self.says("mend/incident").and_then(|text| text.parse().ok())
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct OpsItems {
    pub(crate) items: BTreeMap<OpsItemId, OpsItem>,
}

impl State<'_> {
    /// Comes back with the OpsItem, and whether it says already what is wanted.
    fn create(&mut self, content: &OpsItemContent) -> Result<(OpsItemId, bool), CallError> {
        let dedup = content.operational_data.get("/aws/dedup");
        let same = self.ops_center.items.iter().find(|(_, item)| {
            item.content.operational_data.get("/aws/dedup") == dedup
                && item.content.status != OpsItemStatus::Resolved
        });
        if let Some((id, _)) = same {
            return Ok((id.clone(), false));
        }
        let number = self.ops_center.items.len() + 1;
        let id = OpsItemId::new(format!("oi-{number:012x}"))
            .map_err(|error| CallError::lasting("create an OpsItem", "correct the simulation", error))?;
        let item = OpsItem {
            // It begins open, whatever was asked for.
            content: OpsItemContent { status: OpsItemStatus::Open, ..content.clone() },
            set_by_person: false,
            by: FUNCTION,
            created_at: self.now,
            changed_at: self.now,
        };
        self.tell(|| format!("    OpsItem {id} is created: {}", content.title));
        self.ops_center.items.insert(id.clone(), item);
        Ok((id, content.status == OpsItemStatus::Open))
    }

    fn update(&mut self, id: &OpsItemId, content: &OpsItemContent, sets_status: bool) -> bool {
        let now = self.now;
        let Some(item) = self.ops_center.items.get_mut(id) else { return false };
        let status = if sets_status { content.status } else { item.content.status };
        let mut data = std::mem::take(&mut item.content.operational_data);
        let dedup = data.get("/aws/dedup").cloned();
        data.extend(content.operational_data.clone());
        data.extend(dedup.map(|dedup| ("/aws/dedup".to_owned(), dedup)));
        item.content = OpsItemContent { status, operational_data: data, ..content.clone() };
        item.set_by_person &= !sets_status;
        (item.by, item.changed_at) = (FUNCTION, now);
        self.tell(|| format!("    OpsItem {id} says {:?}", content.status));
        true
    }

    /// A person sets the status of an OpsItem.
    pub(crate) fn person_sets(&mut self, id: &OpsItemId, status: OpsItemStatus) {
        let now = self.now;
        let Some(item) = self.ops_center.items.get_mut(id) else { return };
        item.content.status = status;
        item.set_by_person = true;
        (item.by, item.changed_at) = (PERSON, now);
        self.tell(|| format!("a person sets OpsItem {id} to {status:?}"));
        let state = match status {
            OpsItemStatus::Resolved => CauseState::Clear,
            OpsItemStatus::Open | OpsItemStatus::InProgress => CauseState::Violated,
        };
        self.emit(&Function::OpsItemUpdate { ops_item: id.clone(), state, at: now });
    }

    /// A person resolves the first OpsItem. Comes back with the event.
    pub(crate) fn person_resolves_first(&mut self) -> Option<Function> {
        let ops_item = self.ops_center.items.keys().next()?.clone();
        self.person_sets(&ops_item, OpsItemStatus::Resolved);
        Some(Function::OpsItemUpdate { ops_item, state: CauseState::Clear, at: self.now })
    }

    fn lags(&mut self, at: Timestamp) -> bool {
        self.now.since(at) < LAG && self.happens(self.faults.lists_lag)
    }
}

impl Hands<'_, '_> {
    /// Of which incident an OpsItem is.
    pub(crate) async fn incident_of(&self, id: &OpsItemId) -> Result<Option<IncidentId>, CallError> {
        self.call("read OpsItem", |state| Ok(state.ops_center.items.get(id).and_then(OpsItem::incident))).await
    }
}

impl OpsCenter for Hands<'_, '_> {
    async fn create(&self, content: &OpsItemContent) -> Result<OpsItemId, CallError> {
        let (id, is_in_step) = self.call("create OpsItem", |state| state.create(content)).await?;
        if !is_in_step {
            self.update(&id, content, true).await?;
        }
        Ok(id)
    }

    async fn update(
        &self,
        id: &OpsItemId,
        content: &OpsItemContent,
        sets_status: bool,
    ) -> Result<bool, CallError> {
        self.call("update OpsItem", |state| Ok(state.update(id, content, sets_status))).await
    }

    async fn find(&self, incident: &IncidentId) -> Result<Option<OpsItemId>, CallError> {
        self.call("find OpsItem", |state| {
            let found = state.ops_center.items.iter().find(|(_, item)| item.incident().as_ref() == Some(incident));
            let found = found.map(|(id, item)| (id.clone(), item.created_at));
            Ok(match found {
                Some((id, created_at)) if !state.lags(created_at) => Some(id),
                Some(_) | None => None,
            })
        })
        .await
    }

    async fn changed_since(&self, since: Timestamp) -> Result<Vec<OpsItemSeen>, CallError> {
        self.call("changed since", |state| {
            let mut seen = Vec::new();
            let changed: Vec<_> =
                state.ops_center.items.iter().filter(|(_, item)| item.changed_at > since).collect();
            for (id, item) in changed {
                let Some(incident) = item.incident() else { continue };
                seen.push(OpsItemSeen {
                    id: id.clone(),
                    incident,
                    is_resolved: item.content.status == OpsItemStatus::Resolved,
                    by: Some(item.by.clone()),
                    changed_at: item.changed_at,
                });
            }
            // What has just changed may not be listed yet.
            let mut listed = Vec::new();
            for item in seen {
                if !state.lags(item.changed_at) {
                    listed.push(item);
                }
            }
            Ok(listed)
        })
        .await
    }
}
