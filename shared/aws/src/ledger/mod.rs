//! The ledger: one DynamoDB table.
//!
//! | pk | sk | holds |
//! | --- | --- | --- |
//! | `incident#<fingerprint>` | `current` | the incident's row: lease, inbox, incident, outbox |
//! | `incident#<fingerprint>` | `generation#<number>` | a generation that has ended, as history |
//! | `resource#<key>` | `hold` | the incident whose attempt works on the resource |
//! | `execution#<id>` | `before-state` | what an execution found before its change |
//! | `budget#<route>` or `budget#all` | `running` | the attempts under way, and when the next start has its turn |
//! | `tally#<route>` or `tally#all` | `<hour>` | how many starts, ends, failures and OpsItems there were in the hour |
//! | `tally#all` | `<day>` | how many OpsItems of their own there were on the day |
//! | `gathering#<gathering>` | `head` | the gathering: its OpsItem, and how it stands |
//! | `gathering#<gathering>` | `incident#<fingerprint>` | an incident that it stands for |
//! | `told#<key>` | `told` | that something was told that is told once |
//! | `reconcile` | `run` | the lease of the run under way, and what the last one left |
//!
//! Rows that may need something carry `open`, the hash key of a sparse index that `reconcile` scans.

mod budget;
mod conflict;
mod gatherings;
mod stored;
mod tallies;
mod told;
mod transaction;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use mend_core::breaker::Tallies;
use mend_core::gathering::{GatheringId, Member};
use mend_core::identity::{Fingerprint, resource_key};
use mend_core::incident::Incident;
use mend_core::policy::RouteName;
use mend_core::report::Gathering;
use mend_core::time::Timestamp;
use mend_responder::world::{
    Claim, Clock, LastRun, Lease, Ledger, Members, News, OpenKey, OpenRows, Row, Write, Written,
};
use mend_responder::{CallError, chain};

use crate::Aws;
use crate::failure::failure;
pub(crate) use conflict::TriesAgain;
use gatherings::{GATHERING, gathering, head_key};
use stored::{NotUnderstood, StoredNews, StoredRow, StoredRun, stored_told_at};

type Item = HashMap<String, AttributeValue>;

/// Closed incidents are kept so long. Evidence of what was done should outlive an audit's question.
const KEEP_CLOSED: Duration = Duration::from_hours(90 * 24);
/// What was heard without an incident is kept so long: an older word that it has overtaken comes within a day.
const KEEP_HEARD: Duration = Duration::from_hours(2 * 24);
/// What a restore runbook needs is kept so long.
const KEEP_BEFORE_STATE: Duration = Duration::from_hours(365 * 24);

const LEASE_IS_FREE: &str = "(attribute_not_exists(lease_until) OR lease_until <= :now)";
const HOLD: &str = "hold";
/// The index of rows that may need something, and its key.
const OPEN: &str = "open";
const RECONCILE: &str = "reconcile";
const RUN: &str = "run";
const SOMETHING_TO_DO: &str = "(attribute_not_exists(settled) OR settled = :false \
     OR attribute_not_exists(heard.#teller) OR heard.#teller < :at)";

impl<C: Clock> Ledger for Aws<C> {
    async fn claim(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Claim, CallError> {
        let attempted = || format!("claim incident {fingerprint} in the ledger");
        let mut condition = format!("{LEASE_IS_FREE} AND {SOMETHING_TO_DO}");
        if !news.begins() {
            condition.push_str(" AND attribute_exists(pk)");
        }
        let answer = self
            .leasing(row_key(fingerprint), lease, now)
            .update_expression(
                "SET inbox = list_append(if_not_exists(inbox, :none), :news), \
                 lease_holder = :holder, lease_until = :until, settled = :false, #open = :fingerprint \
                 REMOVE expires_at ADD version :one",
            )
            .condition_expression(condition)
            .expression_attribute_names("#teller", news.teller())
            .expression_attribute_names("#open", OPEN)
            .expression_attribute_values(":fingerprint", AttributeValue::S(fingerprint.to_string()))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":news", one(news, attempted)?)
            .expression_attribute_values(":at", AttributeValue::S(stored_told_at(news.told_at())))
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        claimed(answer, lease, now, attempted)
    }

    async fn append(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        let attempted = || format!("leave news in the inbox of incident {fingerprint}");
        let answer = self
            .updating(row_key(fingerprint))
            .update_expression("SET inbox = list_append(if_not_exists(inbox, :none), :news) ADD version :one")
            .condition_expression("lease_holder = :holder AND lease_until > :now")
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":news", one(news, attempted)?)
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()))
            .expression_attribute_values(":now", number(now.milliseconds()))
            .expression_attribute_values(":one", number(1))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(failure(attempted(), REMEDY, error)),
        }
    }

    async fn read(&self, fingerprint: &Fingerprint) -> Result<Option<Row>, CallError> {
        let attempted = || format!("read incident {fingerprint} from the ledger");
        let answer = self
            .clients
            .dynamodb
            .get_item()
            .table_name(&self.names.table)
            .set_key(Some(row_key(fingerprint)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failure(attempted(), REMEDY, error))?;
        answer.item.map(|item| row(Some(item), attempted)).transpose()
    }

    async fn write(&self, write: &Write<'_>) -> Result<Written, CallError> {
        self.write_row(write).await
    }

    async fn resume(&self, fingerprint: &Fingerprint, lease: &Lease, now: Timestamp) -> Result<Claim, CallError> {
        let attempted = || format!("claim incident {fingerprint} in the ledger");
        let answer = self
            .leasing(row_key(fingerprint), lease, now)
            .update_expression(
                "SET lease_holder = :holder, lease_until = :until, settled = :false ADD version :one",
            )
            .condition_expression(format!("attribute_exists(pk) AND {LEASE_IS_FREE}"))
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        claimed(answer, lease, now, attempted)
    }

    async fn open_rows(&self, after: Option<&OpenKey>) -> Result<OpenRows, CallError> {
        let page = self
            .clients
            .dynamodb
            .scan()
            .table_name(&self.names.table)
            .index_name(OPEN)
            .set_exclusive_start_key(after.map(|OpenKey(open)| {
                let mut key =
                    Fingerprint::new(open).map_or_else(|_| head_key(open), |fingerprint| row_key(&fingerprint));
                key.insert(OPEN.to_owned(), AttributeValue::S(open.clone()));
                key
            }))
            .send()
            .await
            .map_err(|error| failure("list the open incidents in the ledger".to_owned(), REMEDY, error))?;
        let open = |item: &Item| item.get(OPEN)?.as_s().ok().cloned();
        let next = page.last_evaluated_key.as_ref().and_then(open).map(OpenKey);
        let mut rows = OpenRows { next, ..OpenRows::default() };
        for item in page.items.unwrap_or_default() {
            let Some(open) = open(&item) else { continue };
            if open.starts_with(GATHERING) {
                match gathering(item, || format!("read {open} from the ledger")) {
                    Ok(gathering) => rows.gatherings.push(gathering),
                    Err(error) => rows.not_understood.push(chain(&error)),
                }
            } else if let Ok(fingerprint) = Fingerprint::new(open) {
                match row(Some(item), || format!("read incident {fingerprint} from the ledger")) {
                    Ok(row) => rows.rows.push((fingerprint, row)),
                    Err(error) => rows.not_understood.push(chain(&error)),
                }
            }
        }
        Ok(rows)
    }

    async fn tallies(&self, route: &RouteName, now: Timestamp) -> Result<Tallies, CallError> {
        self.count(route, now).await
    }

    async fn is_told(&self, key: &str) -> Result<bool, CallError> {
        self.has_told(key).await
    }

    async fn mark_told(&self, key: &str, now: Timestamp) -> Result<(), CallError> {
        self.keep_told(key, now).await
    }

    async fn gather(&self, id: &GatheringId, member: &Member, now: Timestamp) -> Result<Gathering, CallError> {
        self.join(id, member, now).await
    }

    async fn members(&self, id: &GatheringId, after: Option<&Fingerprint>) -> Result<Members, CallError> {
        self.list_members(id, after).await
    }

    async fn keep_gathering(&self, gathering: &Gathering) -> Result<(), CallError> {
        self.put_head(gathering).await
    }

    async fn begin_run(&self, lease: &Lease, now: Timestamp) -> Result<Option<LastRun>, CallError> {
        let attempted = || "begin a run of reconcile in the ledger".to_owned();
        let answer = self
            .leasing(key(RECONCILE, RUN), lease, now)
            .update_expression("SET lease_holder = :holder, lease_until = :until")
            // The holder's own: this very call got through before, and its answer was lost.
            .condition_expression(format!("{LEASE_IS_FREE} OR lease_holder = :holder"))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let stored: Result<StoredRun, _> = serde_dynamo::from_item(answer.attributes.unwrap_or_default());
                stored
                    .map_err(NotUnderstood::from)
                    .and_then(LastRun::try_from)
                    .map(Some)
                    .map_err(|error| CallError::lasting(attempted(), REPAIR_ROW, error))
            }
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(failure(attempted(), REMEDY, error)),
        }
    }

    async fn end_run(&self, holder: &str, run: &LastRun) -> Result<(), CallError> {
        let attempted = || "end the run of reconcile in the ledger".to_owned();
        let stored = StoredRun::from(run);
        let item: Item =
            serde_dynamo::to_item(&stored).map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
        let mut request = self
            .updating(key(RECONCILE, RUN))
            .condition_expression("lease_holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_owned()));
        let mut assignments = Vec::new();
        for (name, value) in item {
            // By a substitute, because some names are DynamoDB's own words.
            assignments.push(format!("#{name} = :{name}"));
            request = request
                .expression_attribute_values(format!(":{name}"), value)
                .expression_attribute_names(format!("#{name}"), name);
        }
        assignments.sort();
        let expression = format!("SET {} REMOVE lease_holder, lease_until", assignments.join(", "));
        match request.update_expression(expression).send().await {
            Ok(_) => Ok(()),
            // It has ended: the answer was lost, or the lease ran out and another run began.
            Err(error) if is_refused(&error) => Ok(()),
            Err(error) => Err(failure(attempted(), REMEDY, error)),
        }
    }
}

fn is_refused(error: &SdkError<UpdateItemError, HttpResponse>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

/// What came of a claim.
fn claimed(
    answer: Result<UpdateItemOutput, SdkError<UpdateItemError, HttpResponse>>,
    lease: &Lease,
    now: Timestamp,
    attempted: impl Fn() -> String,
) -> Result<Claim, CallError> {
    match answer {
        Ok(answer) => Ok(Claim::Mine(row(answer.attributes, attempted)?)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let Some(old) = failed.item.clone() else { return Ok(Claim::Nothing) };
                let row = row(Some(old), attempted)?;
                Ok(match &row.lease {
                    // This very claim got through before, and its answer was lost.
                    Some(held) if held.holder == lease.holder => Claim::Mine(row),
                    Some(held) if held.until > now => Claim::Busy(row),
                    Some(_) | None => Claim::Known(row),
                })
            }
            _ => Err(failure(attempted(), REMEDY, error)),
        },
    }
}

fn one(news: &News, attempted: impl Fn() -> String) -> Result<AttributeValue, CallError> {
    let stored = serde_dynamo::to_attribute_value(StoredNews::from(news));
    let stored = stored.map_err(|error| CallError::lasting(attempted(), REMEDY, error))?;
    Ok(AttributeValue::L(vec![stored]))
}

impl<C: Clock> Aws<C> {
    fn updating(&self, key: Item) -> UpdateItemFluentBuilder {
        self.clients.dynamodb.update_item().table_name(&self.names.table).set_key(Some(key))
    }

    /// An update that takes a lease, if the condition allows that.
    fn leasing(&self, key: Item, lease: &Lease, now: Timestamp) -> UpdateItemFluentBuilder {
        self.updating(key)
            .expression_attribute_values(":holder", AttributeValue::S(lease.holder.clone()))
            .expression_attribute_values(":until", number(lease.until.milliseconds()))
            .expression_attribute_values(":now", number(now.milliseconds()))
            .return_values(ReturnValue::AllNew)
    }
}

fn row(item: Option<Item>, attempted: impl Fn() -> String) -> Result<Row, CallError> {
    let not_understood = |error: NotUnderstood| CallError::lasting(attempted(), REPAIR_ROW, error);
    let stored: StoredRow =
        serde_dynamo::from_item(item.unwrap_or_default()).map_err(|error| not_understood(error.into()))?;
    Row::try_from(stored).map_err(not_understood)
}

fn incident_pk(fingerprint: &Fingerprint) -> String {
    format!("incident#{fingerprint}")
}

fn hold_pk(incident: &Incident) -> String {
    format!("resource#{}", resource_key(&incident.resource))
}

/// By what a hold is known as ours.
fn whose(incident: &Incident) -> AttributeValue {
    AttributeValue::S(incident.id.fingerprint.to_string())
}

fn row_key(fingerprint: &Fingerprint) -> Item {
    key(&incident_pk(fingerprint), "current")
}

fn key(pk: &str, sk: &str) -> Item {
    [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into()
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

const REMEDY: &str = "check that the table exists and that the function's role may use it and its key";
const REPAIR_ROW: &str = "the row was written by something else, or by a newer version: deploy that, or delete the row and \
     the hold of its resource";
