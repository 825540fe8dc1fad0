//! OpsItems.

use std::collections::HashMap;

use aws_sdk_ssm::operation::create_ops_item::CreateOpsItemError;
use aws_sdk_ssm::operation::get_ops_item::GetOpsItemError;
use aws_sdk_ssm::operation::update_ops_item::UpdateOpsItemError;
use aws_sdk_ssm::primitives::DateTime;
use aws_sdk_ssm::types::{
    OpsItemDataType, OpsItemDataValue, OpsItemFilter, OpsItemFilterKey, OpsItemFilterOperator,
    OpsItemStatus as SdkStatus, Tag,
};
use mend_core::account::PrincipalArn;
use mend_core::automation::OpsItemId;
use mend_core::identity::IncidentId;
use mend_core::report::{OperationalValue, OpsItemContent, OpsItemStatus};
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{OpsCenter, OpsItemSeen};
use serde_json::json;
use thiserror::Error;

use crate::Aws;
use crate::failure::failure;

/// The dedup string decides at creation which OpsItem it is, and cannot be changed afterwards.
const DEDUP: &str = "/aws/dedup";

/// The operational data that name the incident.
const INCIDENT: &str = "mend/incident";
/// The source of all of Mend's OpsItems.
const SOURCE: &str = "Mend";

/// An answer without the id that it should carry.
#[derive(Debug, Error)]
#[error("the answer carries no OpsItem id")]
struct NoId;

impl<C> OpsCenter for Aws<C> {
    async fn create(&self, content: &OpsItemContent) -> Result<OpsItemId, CallError> {
        let attempted = || format!("create the OpsItem \"{}\"", content.title);
        let tag = Tag::builder().key("Application").value("mend").build();
        let answer = self
            .clients
            .ssm
            .create_ops_item()
            .source(SOURCE)
            .title(&content.title)
            .description(&content.description)
            .severity(content.severity.ops_center())
            .category(content.category.to_string())
            .set_operational_data(Some(data(content, |_| true)))
            .set_tags(Some(vec![tag.map_err(|error| CallError::lasting(attempted(), REMEDY, error))?]))
            .send()
            .await;
        let (id, is_in_step) = match answer {
            // It begins open, whatever was asked for.
            Ok(answer) => (answer.ops_item_id, content.status == OpsItemStatus::Open),
            Err(error) => match error.as_service_error() {
                // Created before a crash, by an earlier state of the incident.
                Some(CreateOpsItemError::OpsItemAlreadyExistsException(existing)) => {
                    (existing.ops_item_id.clone(), false)
                }
                _ => return Err(failure(attempted(), REMEDY, error)),
            },
        };
        let id = id.and_then(|id| OpsItemId::new(id).ok());
        let id = id.ok_or_else(|| CallError::lasting(attempted(), REMEDY, NoId))?;
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
        let status = match content.status {
            OpsItemStatus::Open => SdkStatus::Open,
            OpsItemStatus::InProgress => SdkStatus::InProgress,
            OpsItemStatus::Resolved => SdkStatus::Resolved,
        };
        let answer = self
            .clients
            .ssm
            .update_ops_item()
            .ops_item_id(id.as_str())
            .title(&content.title)
            .description(&content.description)
            .severity(content.severity.ops_center())
            .category(content.category.to_string())
            .set_status(sets_status.then_some(status))
            .set_operational_data(Some(data(content, |key| key != DEDUP)))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(UpdateOpsItemError::is_ops_item_not_found_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(failure(format!("update the OpsItem {id}"), REMEDY, error)),
        }
    }

    async fn find(&self, incident: &IncidentId) -> Result<Option<OpsItemId>, CallError> {
        let attempted = || format!("look for the OpsItem of incident {incident}");
        let data = json!({"key": INCIDENT, "value": incident.to_string()}).to_string();
        let filter = filter(OpsItemFilterKey::OperationalData, OpsItemFilterOperator::Equal, data, attempted)?;
        let request = self.clients.ssm.describe_ops_items().ops_item_filters(filter);
        // A page may be empty, and not the last.
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure(attempted(), REMEDY, error))?;
            let mut ids = page.ops_item_summaries().iter().filter_map(|summary| summary.ops_item_id());
            if let Some(id) = ids.find_map(|id| OpsItemId::new(id).ok()) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    async fn changed_since(&self, since: Timestamp) -> Result<Vec<OpsItemSeen>, CallError> {
        let attempted = || format!("list the OpsItems that have changed since {since}");
        let later = (OpsItemFilterKey::LastModifiedTime, OpsItemFilterOperator::GreaterThan);
        let mut seen = Vec::new();
        let mut pages = self
            .clients
            .ssm
            .describe_ops_items()
            .ops_item_filters(filter(
                OpsItemFilterKey::Source,
                OpsItemFilterOperator::Equal,
                SOURCE.to_owned(),
                attempted,
            )?)
            .ops_item_filters(filter(later.0, later.1, since.to_string(), attempted)?)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure(attempted(), REMEDY, error))?;
            seen.extend(page.ops_item_summaries().iter().filter_map(|summary| {
                seen_as(
                    summary.ops_item_id(),
                    summary.operational_data(),
                    summary.status(),
                    summary.last_modified_by(),
                    summary.last_modified_time(),
                )
            }));
        }
        Ok(seen)
    }
}

impl<C> Aws<C> {
    /// Of which incident an OpsItem is. `None`: it is gone, or none of Mend's.
    pub async fn incident_of(&self, id: &OpsItemId) -> Result<Option<IncidentId>, CallError> {
        match self.clients.ssm.get_ops_item().ops_item_id(id.as_str()).send().await {
            Ok(answer) => Ok(answer.ops_item.and_then(|item| incident(item.operational_data()))),
            Err(error)
                if error.as_service_error().is_some_and(GetOpsItemError::is_ops_item_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(failure(format!("read the OpsItem {id}"), REMEDY, error)),
        }
    }
}

fn filter(
    key: OpsItemFilterKey,
    operator: OpsItemFilterOperator,
    value: String,
    attempted: impl Fn() -> String,
) -> Result<OpsItemFilter, CallError> {
    let filter = OpsItemFilter::builder().key(key).operator(operator).values(value).build();
    filter.map_err(|error| CallError::lasting(attempted(), REMEDY, error))
}

fn incident(data: Option<&HashMap<String, OpsItemDataValue>>) -> Option<IncidentId> {
    data?.get(INCIDENT)?.value()?.parse().ok()
}

/// One of Mend's OpsItems, if it is one, and has a status that people give.
fn seen_as(
    id: Option<&str>,
    data: Option<&HashMap<String, OpsItemDataValue>>,
    status: Option<&SdkStatus>,
    by: Option<&str>,
    at: Option<&DateTime>,
) -> Option<OpsItemSeen> {
    let is_resolved = match status?.as_str() {
        "Resolved" => true,
        "Open" | "InProgress" => false,
        _ => return None,
    };
    Some(OpsItemSeen {
        id: OpsItemId::new(id?).ok()?,
        incident: incident(data)?,
        is_resolved,
        by: by.and_then(|by| PrincipalArn::new(by).ok()),
        changed_at: Timestamp::from_milliseconds(at?.to_millis().ok()?),
    })
}

fn data(content: &OpsItemContent, wanted: impl Fn(&str) -> bool) -> HashMap<String, OpsItemDataValue> {
    let value = |value: &OperationalValue| {
        let (kind, text) = match value {
            OperationalValue::Searchable(text) => (OpsItemDataType::SearchableString, text),
            OperationalValue::Plain(text) => (OpsItemDataType::String, text),
        };
        OpsItemDataValue::builder().r#type(kind).value(text).build()
    };
    let chosen = content.operational_data.iter().filter(|(key, _)| wanted(key));
    chosen.map(|(key, text)| (key.clone(), value(text))).collect()
}

const REMEDY: &str = "check that OpsCenter is set up, that its quota is not used up, and that the function's role may write OpsItems";
