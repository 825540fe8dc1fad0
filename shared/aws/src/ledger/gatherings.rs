//! Gatherings: a head, which is among the open rows until it is over, and an item for each incident.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use mend_core::automation::OpsItemId;
use mend_core::gathering::{GatheringId, Member};
use mend_core::identity::Fingerprint;
use mend_core::report::Gathering;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{Clock, Members};
use serde::{Deserialize, Serialize};

use super::stored::{NotUnderstood, StoredResource};
use super::{Item, KEEP_CLOSED, OPEN, REMEDY, REPAIR_ROW, key};
use crate::Aws;
use crate::failure::failure;

/// An incident may be observed for long, and its gathering stands for it as long.
const KEEP_MEMBERS: Duration = Duration::from_hours(365 * 24);

pub(super) const GATHERING: &str = "gathering#";
const HEAD: &str = "head";
const INCIDENT: &str = "incident#";

#[derive(Debug, Deserialize, Serialize)]
struct StoredGathering {
    pk: String,
    sk: String,
    opened_at: i64,
    #[serde(default)]
    ops_item: Option<String>,
    #[serde(default)]
    told_at: Option<i64>,
    #[serde(default)]
    stands: String,
    #[serde(default)]
    is_over: bool,
    /// The partition key, until it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<String>,
    /// `DynamoDB`'s time to live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

impl TryFrom<StoredGathering> for Gathering {
    type Error = NotUnderstood;

    fn try_from(stored: StoredGathering) -> Result<Self, NotUnderstood> {
        Ok(Self {
            id: stored.pk.strip_prefix(GATHERING).unwrap_or_default().parse()?,
            opened_at: Timestamp::from_milliseconds(stored.opened_at),
            ops_item: stored.ops_item.map(OpsItemId::new).transpose()?,
            told_at: stored.told_at.map(Timestamp::from_milliseconds),
            stands: stored.stands,
            is_over: stored.is_over,
        })
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct StoredMember {
    pk: String,
    sk: String,
    incident: String,
    resource: StoredResource,
    state: String,
    at: i64,
    expires_at: i64,
}

impl TryFrom<StoredMember> for Member {
    type Error = NotUnderstood;

    fn try_from(stored: StoredMember) -> Result<Self, NotUnderstood> {
        Ok(Self {
            incident: stored.incident.parse()?,
            resource: stored.resource.try_into()?,
            state: stored.state,
            at: Timestamp::from_milliseconds(stored.at),
        })
    }
}

impl<C: Clock> Aws<C> {
    /// The member first: whoever finds the head finds its members.
    pub(super) async fn join(
        &self,
        id: &GatheringId,
        member: &Member,
        now: Timestamp,
    ) -> Result<Gathering, CallError> {
        self.put_member(id, member, now).await?;
        let attempted = || format!("open the gathering {id} in the ledger");
        let pk = gathering_pk(id);
        let request = self
            .updating(key(&pk, HEAD))
            .update_expression("SET opened_at = :now, is_over = :false, #open = :pk")
            .condition_expression("attribute_not_exists(pk)")
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":now", AttributeValue::N(now.milliseconds().to_string()))
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .expression_attribute_values(":pk", AttributeValue::S(pk.clone()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let head = match request.send().await {
            Ok(answer) => answer.attributes,
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
                _ => return Err(failure(attempted(), REMEDY, error)),
            },
        };
        gathering(head.unwrap_or_default(), attempted)
    }

    async fn put_member(&self, id: &GatheringId, member: &Member, now: Timestamp) -> Result<(), CallError> {
        let attempted = || format!("put incident {} into the gathering {id} in the ledger", member.incident);
        let stored = StoredMember {
            pk: gathering_pk(id),
            sk: member_sk(member.fingerprint()),
            incident: member.incident.to_string(),
            resource: StoredResource::from(&member.resource),
            state: member.state.clone(),
            at: member.at.milliseconds(),
            expires_at: now.plus(KEEP_MEMBERS).seconds(),
        };
        let item =
            serde_dynamo::to_item(&stored).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        let answer = self
            .clients
            .dynamodb
            .put_item()
            .table_name(&self.names.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #at <= :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", AttributeValue::N(stored.at.to_string()))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            // A later invocation has told already what has become of it.
            Err(error)
                if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(failure(attempted(), REMEDY, error)),
        }
    }

    pub(super) async fn list_members(
        &self,
        id: &GatheringId,
        after: Option<&Fingerprint>,
    ) -> Result<Members, CallError> {
        let attempted = || format!("list the incidents of the gathering {id} in the ledger");
        let pk = gathering_pk(id);
        let page = self
            .clients
            .dynamodb
            .query()
            .table_name(&self.names.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :incident)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.clone()))
            .expression_attribute_values(":incident", AttributeValue::S(INCIDENT.to_owned()))
            .set_exclusive_start_key(after.map(|fingerprint| key(&pk, &member_sk(fingerprint))))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(attempted(), REMEDY, error))?;
        let not_understood = |error: NotUnderstood| CallError::lasting(attempted(), REPAIR_ROW, error);
        let member = |item: Item| {
            let stored: StoredMember = serde_dynamo::from_item(item)?;
            Member::try_from(stored)
        };
        let members = page.items.unwrap_or_default().into_iter().map(member).collect::<Result<_, _>>();
        let next = page.last_evaluated_key.as_ref().and_then(|last| {
            let fingerprint = last.get("sk")?.as_s().ok()?.strip_prefix(INCIDENT)?;
            Fingerprint::new(fingerprint).ok()
        });
        Ok(Members { members: members.map_err(not_understood)?, next })
    }

    pub(super) async fn put_head(&self, gathering: &Gathering) -> Result<(), CallError> {
        let attempted = || format!("write the gathering {} to the ledger", gathering.id);
        let pk = gathering_pk(&gathering.id);
        let stored = StoredGathering {
            sk: HEAD.to_owned(),
            opened_at: gathering.opened_at.milliseconds(),
            ops_item: gathering.ops_item.as_ref().map(ToString::to_string),
            told_at: gathering.told_at.map(Timestamp::milliseconds),
            stands: gathering.stands.clone(),
            is_over: gathering.is_over,
            open: (!gathering.is_over).then(|| pk.clone()),
            expires_at: gathering.is_over.then(|| self.now().plus(KEEP_CLOSED).seconds()),
            pk,
        };
        let item =
            serde_dynamo::to_item(&stored).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        let request = self.clients.dynamodb.put_item().table_name(&self.names.table).set_item(Some(item));
        request.send().await.map_err(|error| failure(attempted(), REMEDY, error))?;
        Ok(())
    }
}

/// The gathering whose head an item is.
pub(super) fn gathering(head: Item, attempted: impl Fn() -> String) -> Result<Gathering, CallError> {
    let stored: Result<StoredGathering, _> = serde_dynamo::from_item(head);
    stored
        .map_err(NotUnderstood::from)
        .and_then(Gathering::try_from)
        .map_err(|error| CallError::lasting(attempted(), REPAIR_ROW, error))
}

fn gathering_pk(id: &GatheringId) -> String {
    format!("{GATHERING}{id}")
}

fn member_sk(fingerprint: &Fingerprint) -> String {
    format!("{INCIDENT}{fingerprint}")
}

/// The key of an open row that is the head of a gathering.
pub(super) fn head_key(open: &str) -> Item {
    key(open, HEAD)
}
