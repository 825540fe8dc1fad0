//! Budgets, as items of the transaction that writes the row: what they count happens together with its counting, or
//! not at all.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use mend_core::budget::{Hour, SPACING, Spent};
use mend_core::gathering::{Day, OWN_OPS_ITEMS_A_DAY};
use mend_core::identity::Fingerprint;
use mend_core::time::Timestamp;
use mend_responder::world::{Booking, Start, Written};
use serde::Deserialize;

use super::{Item, key, number};

/// Counters are looked at for two hours. A day more shows an operator what happened.
const KEEP_COUNTERS: Duration = Duration::from_hours(2 * 24);

/// Stands for every route where a route's name may stand.
pub(super) const ALL: &str = "all";
const RUNNING: &str = "running";

/// When a start has its turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// At once, if nobody else has a turn now or later.
    Now,
    /// Then: the first that nobody has, by what the ledger said a moment ago.
    At(Timestamp),
}

/// An item of the transaction, and what it says if its condition fails.
#[derive(Debug)]
pub(super) struct Entry {
    key: Item,
    sets: Vec<&'static str>,
    adds: Vec<&'static str>,
    deletes: Vec<&'static str>,
    conditions: Vec<&'static str>,
    values: Item,
    pub(super) limits: Limits,
}

/// The limits that an item guards, in the order in which they are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    fingerprint: String,
    running: Option<(u16, Spent)>,
    paces: bool,
    starts: Option<u16>,
    ops_items: Option<u32>,
}

/// A budget's item as it is, as far as limits look at it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counted {
    attempts: Vec<String>,
    next_start_at: Option<i64>,
    starts: u32,
    opened: u32,
}

/// What a limit of nothing refuses. DynamoDB need not be asked: the item may not even exist.
pub(super) fn refused_outright(booking: &Booking) -> Option<Written> {
    if let Some(Start { limits, runs, .. }) = booking.start {
        let limits = [
            Spent::StartsThisHour(limits.starts_per_hour),
            Spent::Running(limits.running),
            Spent::RunningInAll(limits.running_in_all),
        ];
        let allows_none = |spent: &Spent| match spent {
            Spent::StartsThisHour(limit) => *limit == 0,
            Spent::Running(limit) | Spent::RunningInAll(limit) => runs && *limit == 0,
            Spent::Pace(_) => false,
        };
        if let Some(spent) = limits.into_iter().find(allows_none) {
            return Some(Written::Spent(spent));
        }
    }
    (booking.own_ops_item == Some(0)).then_some(Written::TooManyOpsItems)
}

/// What a booking adds to the transaction: of each item one entry, because a transaction takes an item once.
pub(super) fn entries(booking: &Booking, fingerprint: &Fingerprint, turn: Turn, now: Timestamp) -> Vec<Entry> {
    let Some(route) = booking.route.as_ref().map(ToString::to_string) else { return Vec::new() };
    let runs = booking.start.filter(|start| start.runs).map(|start| start.limits);
    let mut of_route = Entry::new(running_key(&route));
    let mut of_all = Entry::new(running_key(ALL));
    if let Some(limits) = runs {
        of_route.takes_place(fingerprint, limits.running, Spent::Running(limits.running));
        of_all.takes_place(fingerprint, limits.running_in_all, Spent::RunningInAll(limits.running_in_all));
    } else if booking.ends {
        of_route.leaves_place(fingerprint);
        of_all.leaves_place(fingerprint);
    }
    let mut tally_of_route = Entry::new(tally_key(&route, Hour::of(now)));
    let mut tally_of_all = Entry::new(tally_key(ALL, Hour::of(now)));
    let mut tally_of_day = Entry::new(key(&format!("tally#{ALL}"), &Day::of(now).to_string()));
    if let Some(start) = booking.start {
        of_all.takes_turn(turn, now);
        tally_of_route.counts_start(start.limits.starts_per_hour);
    }
    if let Some(failed) = booking.ended {
        tally_of_route.counts_end(failed);
        tally_of_all.counts_end(failed);
    }
    if let Some(limit) = booking.own_ops_item {
        tally_of_route.counts_ops_item(limit);
        tally_of_day.counts_ops_item(OWN_OPS_ITEMS_A_DAY);
    }
    for tally in [&mut tally_of_route, &mut tally_of_all, &mut tally_of_day] {
        tally.expires(now);
    }
    [of_route, of_all, tally_of_route, tally_of_all, tally_of_day]
        .into_iter()
        .filter(Entry::does_something)
        .collect()
}

impl Turn {
    /// When the start may be made.
    pub(super) const fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::At(time) => time,
        }
    }
}

impl Entry {
    fn new(key: Item) -> Self {
        Self {
            key,
            sets: Vec::new(),
            adds: Vec::new(),
            deletes: Vec::new(),
            conditions: Vec::new(),
            values: Item::new(),
            limits: Limits::default(),
        }
    }

    const fn does_something(&self) -> bool {
        !(self.sets.is_empty() && self.adds.is_empty() && self.deletes.is_empty())
    }

    fn value(&mut self, name: &str, value: AttributeValue) {
        self.values.insert(name.to_owned(), value);
    }

    /// Whoever is in the set already may come in again.
    fn takes_place(&mut self, fingerprint: &Fingerprint, limit: u16, spent: Spent) {
        self.adds.push("attempts :attempts");
        self.conditions.push(
            "(attribute_not_exists(attempts) OR size(attempts) < :running OR contains(attempts, :fingerprint))",
        );
        self.value(":attempts", AttributeValue::Ss(vec![fingerprint.to_string()]));
        self.value(":fingerprint", AttributeValue::S(fingerprint.to_string()));
        self.value(":running", number(limit));
        self.limits.running = Some((limit, spent));
        self.limits.fingerprint = fingerprint.to_string();
    }

    fn leaves_place(&mut self, fingerprint: &Fingerprint) {
        self.deletes.push("attempts :attempts");
        self.value(":attempts", AttributeValue::Ss(vec![fingerprint.to_string()]));
    }

    fn takes_turn(&mut self, turn: Turn, now: Timestamp) {
        self.sets.push("next_start_at = :next");
        self.conditions.push(match turn {
            Turn::Now => "(attribute_not_exists(next_start_at) OR next_start_at <= :turn)",
            Turn::At(_) => "next_start_at = :turn",
        });
        let time = turn.time(now);
        self.value(":turn", number(time.milliseconds()));
        self.value(":next", number(time.plus(SPACING).milliseconds()));
        self.limits.paces = true;
    }

    fn counts_start(&mut self, limit: u16) {
        self.adds.push("starts :one");
        self.conditions.push("(attribute_not_exists(starts) OR starts < :starts)");
        self.value(":one", number(1));
        self.value(":starts", number(limit));
        self.limits.starts = Some(limit);
    }

    fn counts_end(&mut self, failed: bool) {
        self.adds.push("ended :one");
        if failed {
            self.adds.push("failed :one");
        }
        self.value(":one", number(1));
    }

    fn counts_ops_item(&mut self, limit: u32) {
        self.adds.push("opened :one");
        self.conditions.push("(attribute_not_exists(opened) OR opened < :opened)");
        self.value(":one", number(1));
        self.value(":opened", number(limit));
        self.limits.ops_items = Some(limit);
    }

    fn expires(&mut self, now: Timestamp) {
        if self.does_something() {
            self.sets.push("expires_at = :expires_at");
            self.value(":expires_at", number(now.plus(KEEP_COUNTERS).seconds()));
        }
    }

    pub(super) fn item(self, table: &str) -> Result<TransactWriteItem, BuildError> {
        let parts = [("SET", self.sets), ("ADD", self.adds), ("DELETE", self.deletes)];
        let parts = parts.into_iter().filter(|(_, changes)| !changes.is_empty());
        let changes: Vec<_> = parts.map(|(part, changes)| format!("{part} {}", changes.join(", "))).collect();
        let conditions = (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "));
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(self.key))
            .update_expression(changes.join(" "))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .set_condition_expression(conditions)
            .set_expression_attribute_values(Some(self.values))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

impl Limits {
    /// Which limit refused, by the item as it was.
    pub(super) fn refusal(&self, old: Item) -> Option<Written> {
        let old: Counted = serde_dynamo::from_item(old).ok()?;
        let is_in = old.attempts.contains(&self.fingerprint);
        let is_full = |limit: &u16| !is_in && old.attempts.len() >= usize::from(*limit);
        if let Some((_, spent)) = self.running.filter(|(limit, _)| is_full(limit)) {
            return Some(Written::Spent(spent));
        }
        if let Some(limit) = self.starts.filter(|limit| old.starts >= u32::from(*limit)) {
            return Some(Written::Spent(Spent::StartsThisHour(limit)));
        }
        if self.ops_items.is_some_and(|limit| old.opened >= limit) {
            return Some(Written::TooManyOpsItems);
        }
        let next = old.next_start_at.filter(|_| self.paces);
        next.map(|next| Written::Spent(Spent::Pace(Timestamp::from_milliseconds(next))))
    }
}

fn running_key(of: &str) -> Item {
    key(&format!("budget#{of}"), RUNNING)
}

/// Where an hour of a route, or of all routes, is counted.
pub(super) fn tally_key(of: &str, hour: Hour) -> Item {
    key(&format!("tally#{of}"), &hour.to_string())
}
