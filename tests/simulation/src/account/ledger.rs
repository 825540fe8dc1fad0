//! DynamoDB, as the ledger's adapter uses it: single updates and transactions, each all or nothing. Its index is a
//! little behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mend_core::breaker::{Tallies, trips};
use mend_core::budget::{Hour, SPACING, Spent, Tally};
use mend_core::gathering::{GatheringId, Member};
use mend_core::identity::{AttemptNumber, Fingerprint, IncidentId};
use mend_core::incident::{Incident, State as Stands};
use mend_core::policy::RouteName;
use mend_core::report::Gathering;
use mend_core::resource::ResourceId;
use mend_core::switches::Scope;
use mend_core::time::Timestamp;
use mend_responder::CallError;
use mend_responder::world::{
    Booking, Claim, Hold, LastRun, Lease, Ledger, Members, News, OpenKey, OpenRows, Row, Write, Written,
};

use super::{Hands, State};

/// So many rows make a page.
const PAGE: usize = 3;
/// How far the index may be behind.
const LAG: Duration = Duration::from_secs(2);

/// A row, and what of it the index may still show.
#[derive(Clone, Debug)]
struct Kept {
    row: Row,
    settled: bool,
    /// As it was before the last write; nothing if there was none.
    before: Option<Row>,
    written_at: Timestamp,
}

/// What is counted by the hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) starts: u32,
    pub(crate) ended: u32,
    pub(crate) failed: u32,
    pub(crate) opened: u32,
}

/// A start that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) incident: IncidentId,
    pub(crate) attempt: AttemptNumber,
    pub(crate) route: RouteName,
    pub(crate) hour: Hour,
    pub(crate) not_before: Timestamp,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<Fingerprint, Kept>,
    holds: BTreeMap<ResourceId, IncidentId>,
    pub(crate) running: BTreeMap<RouteName, BTreeSet<Fingerprint>>,
    pub(crate) running_in_all: BTreeSet<Fingerprint>,
    next_start_at: Option<Timestamp>,
    pub(crate) counts: BTreeMap<(RouteName, Hour), Counts>,
    pub(crate) history: Vec<Incident>,
    pub(crate) booked: Vec<Booked>,
    /// Routes with a failed attempt, of which nobody has looked yet whether the circuit breaker opens.
    pub(crate) failures_unseen: BTreeSet<RouteName>,
    /// Breakers that opened by what somebody has seen.
    pub(crate) tripped: BTreeSet<Scope>,
    told: BTreeSet<String>,
    pub(crate) gatherings: BTreeMap<GatheringId, (Gathering, BTreeMap<Fingerprint, Member>)>,
    run: (Option<Lease>, LastRun),
}

impl Table {
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Fingerprint, &Row)> {
        self.rows.iter().map(|(fingerprint, kept)| (fingerprint, &kept.row))
    }

    pub(crate) fn row(&self, fingerprint: &Fingerprint) -> Option<&Row> {
        self.rows.get(fingerprint).map(|kept| &kept.row)
    }

    /// Every generation of every incident: those that ended, and those that are in their rows.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.history.iter().chain(self.rows.values().filter_map(|kept| kept.row.incident.as_ref()))
    }

    fn tally(&self, route: Option<&RouteName>, now: Timestamp) -> Tally {
        let hours = [Hour::of(now), Hour::of(now).before()];
        let counted = self
            .counts
            .iter()
            .filter(|((of, hour), _)| hours.contains(hour) && route.is_none_or(|route| route == of));
        counted.fold(Tally::default(), |sum, (_, counts)| {
            sum.plus(Tally { ended: counts.ended, failed: counts.failed })
        })
    }

    fn refusal(&self, write: &Write<'_>, incident: &Incident) -> Option<Written> {
        match (write.hold, self.holds.get(&incident.resource.id)) {
            (Hold::Take | Hold::Release, Some(holder)) if holder.fingerprint != *write.fingerprint => {
                return Some(Written::ResourceHeld(holder.clone()));
            }
            (Hold::Unchanged | Hold::Take | Hold::Release, _) => {}
        }
        let route = write.booking.route.as_ref()?;
        let counts = self.counts.get(&(route.clone(), Hour::of(write.now))).copied().unwrap_or_default();
        if let Some(start) = write.booking.start {
            let limits = start.limits;
            let others = |set: &BTreeSet<Fingerprint>| set.iter().filter(|one| *one != write.fingerprint).count();
            if counts.starts >= u32::from(limits.starts_per_hour) {
                return Some(Written::Spent(Spent::StartsThisHour(limits.starts_per_hour)));
            }
            if start.runs && self.running.get(route).map_or(0, others) >= usize::from(limits.running) {
                return Some(Written::Spent(Spent::Running(limits.running)));
            }
            if start.runs && others(&self.running_in_all) >= usize::from(limits.running_in_all) {
                return Some(Written::Spent(Spent::RunningInAll(limits.running_in_all)));
            }
            if self.next_start_at.is_some_and(|next| next > start.latest) {
                return Some(Written::Spent(Spent::Pace(self.next_start_at.unwrap_or(write.now))));
            }
        }
        write.booking.own_ops_item.is_some_and(|most| counts.opened >= most).then_some(Written::TooManyOpsItems)
    }

    fn book(
        &mut self,
        booking: &Booking,
        fingerprint: &Fingerprint,
        incident: &Incident,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let route = booking.route.as_ref()?;
        let running = self.running.entry(route.clone()).or_default();
        if booking.ends {
            running.remove(fingerprint);
            self.running_in_all.remove(fingerprint);
        }
        let counts = self.counts.entry((route.clone(), Hour::of(now))).or_default();
        if let Some(failed) = booking.ended {
            counts.ended += 1;
            counts.failed += u32::from(failed);
            if failed {
                self.failures_unseen.insert(route.clone());
            }
        }
        counts.opened += u32::from(booking.own_ops_item.is_some());
        let start = booking.start?;
        counts.starts += 1;
        if start.runs {
            running.insert(fingerprint.clone());
            self.running_in_all.insert(fingerprint.clone());
        }
        let not_before = self.next_start_at.map_or(now, |next| next.max(now));
        self.next_start_at = Some(not_before.plus(SPACING));
        if let Some(attempt) = attempt_begun(incident) {
            self.booked.push(Booked {
                incident: incident.id.clone(),
                attempt,
                route: route.clone(),
                hour: Hour::of(now),
                not_before,
            });
        }
        Some(not_before)
    }
}

/// The attempt that has begun, or that waits for approval.
pub(crate) const fn attempt_begun(incident: &Incident) -> Option<AttemptNumber> {
    match &incident.state {
        Stands::Remediating(attempt) | Stands::AwaitingApproval(attempt) => Some(attempt.number),
        Stands::Open
        | Stands::Observed(_)
        | Stands::Suppressed
        | Stands::Deferred { .. }
        | Stands::Escalated
        | Stands::Reopened
        | Stands::Resolved { .. } => None,
    }
}

impl State<'_> {
    fn kept(&mut self, fingerprint: &Fingerprint) -> Option<&mut Kept> {
        self.ledger.rows.get_mut(fingerprint)
    }

    /// Changes a row by an update of its own.
    fn updated(&mut self, fingerprint: &Fingerprint, change: impl FnOnce(&mut Kept)) -> Option<Row> {
        let now = self.now;
        let kept = self.kept(fingerprint)?;
        kept.before = (kept.row.version > 0).then(|| kept.row.clone());
        kept.written_at = now;
        change(kept);
        kept.row.version += 1;
        Some(kept.row.clone())
    }

    fn write(&mut self, write: &Write<'_>) -> Written {
        let Some(kept) = self.ledger.rows.get(write.fingerprint) else { return Written::Overtaken };
        if kept.row.version != write.row.version {
            return Written::Overtaken;
        }
        let mut start_at = None;
        let before = kept.row.incident.clone();
        if let Some(incident) = &write.row.incident {
            if let Some(refusal) = self.ledger.refusal(write, incident) {
                self.tell(|| format!("    write {}: refused, {refusal:?}", incident.id));
                return refusal;
            }
            match write.hold {
                Hold::Unchanged => {}
                Hold::Take => {
                    self.ledger.holds.insert(incident.resource.id.clone(), incident.id.clone());
                }
                Hold::Release => {
                    self.ledger.holds.remove(&incident.resource.id);
                }
            }
            self.check_booking(before.as_ref(), incident, write);
            start_at = self.ledger.book(write.booking, write.fingerprint, incident, write.now);
            self.tell(|| {
                let outbox: Vec<_> = incident.outbox.iter().map(|effect| format!("{effect:?}")).collect();
                format!(
                    "    write {}: {:?} as version {}; outbox [{}]{}",
                    incident.id,
                    Brief(&incident.state),
                    write.row.version + 1,
                    outbox.join(", "),
                    if write.row.lease.is_none() { ", lease given back" } else { "" }
                )
            });
        }
        self.ledger.history.extend(write.history.cloned());
        let settled = write.row.settled();
        let row = write.row.clone();
        let version = write.row.version + 1;
        let _ = self.updated(write.fingerprint, |kept| {
            kept.row = row;
            kept.settled = settled;
        });
        self.check_row(write.fingerprint);
        Written::Done { version, start_at }
    }

    /// What is booked has to be what the row says.
    fn check_booking(&mut self, before: Option<&Incident>, after: &Incident, write: &Write<'_>) {
        let begun = |incident: &Incident| attempt_begun(incident).map(|attempt| (incident.id.clone(), attempt));
        let begins = begun(after).is_some() && before.and_then(begun) != begun(after);
        if begins != write.booking.start.is_some() {
            let id = &after.id;
            self.violated(if begins {
                format!("incident {id} begins an attempt and books no start")
            } else {
                format!("incident {id} books a start and begins no attempt")
            });
        }
        if write.booking.start.is_some_and(|start| start.runs != after.running().is_some()) {
            self.violated(format!("incident {} books a start that is not what the row says", after.id));
        }
    }

    /// Holds and running attempts are what the rows say, after each write.
    fn check_row(&mut self, fingerprint: &Fingerprint) {
        let table = &self.ledger;
        let Some(incident) = table.row(fingerprint).and_then(|row| row.incident.as_ref()) else { return };
        let runs = incident.running().is_some();
        let id = incident.id.clone();
        let holds =
            table.holds.get(&incident.resource.id).is_some_and(|holder| holder.fingerprint == *fingerprint);
        let counted_in_all = table.running_in_all.contains(fingerprint);
        let counted = table.running.get(&incident.route).is_some_and(|running| running.contains(fingerprint));
        if (holds, counted, counted_in_all) != (runs, runs, runs) {
            self.violated(format!(
                "incident {id} {} an attempt under way; it has the hold: {holds}, is counted as running in its route: \
                 {counted}, in all: {counted_in_all}",
                if runs { "has" } else { "has not" }
            ));
        }
    }

    /// Whether a list shows yet what was just written.
    fn shows(&mut self, written_at: Timestamp) -> bool {
        self.now.since(written_at) > LAG || !self.happens(self.faults.lists_lag)
    }

    fn open_rows(&mut self, after: Option<&OpenKey>) -> OpenRows {
        let from = after.map_or("", |key| key.0.as_str()).to_owned();
        let mut all = Vec::new();
        let recent: Vec<_> =
            self.ledger.rows.iter().map(|(fingerprint, kept)| (fingerprint.clone(), kept.written_at)).collect();
        for (fingerprint, written_at) in recent {
            let shows = self.shows(written_at);
            let Some(kept) = self.ledger.rows.get(&fingerprint) else { continue };
            let row = if shows { Some(&kept.row) } else { kept.before.as_ref() };
            if let Some(row) = row.filter(|row| row.is_open()) {
                all.push((format!("incident/{fingerprint}"), Some((fingerprint, row.clone())), None));
            }
        }
        for (id, (gathering, _)) in &self.ledger.gatherings {
            if !gathering.is_over {
                all.push((format!("gathering/{id}"), None, Some(gathering.clone())));
            }
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        let mut left = all.into_iter().filter(|(key, ..)| *key > from);
        let mut page = OpenRows::default();
        let mut last = None;
        for (key, row, gathering) in left.by_ref().take(PAGE) {
            page.rows.extend(row);
            page.gatherings.extend(gathering);
            last = Some(OpenKey(key));
        }
        page.next = left.next().and(last);
        page
    }
}

/// A state without its plan.
struct Brief<'a>(&'a Stands);

impl std::fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = mend_core::report::state_name(self.0);
        match self.0 {
            Stands::Remediating(attempt) | Stands::AwaitingApproval(attempt) => {
                write!(f, "{name} (attempt {})", attempt.number)
            }
            Stands::Deferred { until, .. } => write!(f, "{name} until {until}"),
            Stands::Resolved { how, .. } => write!(f, "{name} ({how:?})"),
            Stands::Open | Stands::Observed(_) | Stands::Suppressed | Stands::Escalated | Stands::Reopened => {
                f.write_str(name)
            }
        }
    }
}

impl Ledger for Hands<'_, '_> {
    async fn claim(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<Claim, CallError> {
        self.call("claim", |state| {
            if !state.ledger.rows.contains_key(fingerprint) {
                if !news.begins() {
                    return Ok(Claim::Nothing);
                }
                let row =
                    Row { version: 0, lease: None, incident: None, inbox: Vec::new(), heard: BTreeMap::new() };
                let kept = Kept { row, settled: false, before: None, written_at: state.now };
                state.ledger.rows.insert(fingerprint.clone(), kept);
            }
            let Some(kept) = state.kept(fingerprint) else { return Ok(Claim::Nothing) };
            if kept.row.lease.as_ref().is_some_and(|held| held.until > now) {
                let is_mine = kept.row.lease.as_ref().is_some_and(|held| held.holder == lease.holder);
                let row = kept.row.clone();
                return Ok(if is_mine { Claim::Mine(row) } else { Claim::Busy(row) });
            }
            let is_heard = kept.row.heard.get(&news.teller()).is_some_and(|heard| *heard >= news.told_at());
            if kept.settled && is_heard {
                return Ok(Claim::Known(kept.row.clone()));
            }
            let row = state.updated(fingerprint, |kept| {
                kept.row.inbox.push(news.clone());
                kept.row.lease = Some(lease.clone());
                kept.settled = false;
            });
            Ok(row.map_or(Claim::Nothing, Claim::Mine))
        })
        .await
    }

    async fn append(
        &self,
        fingerprint: &Fingerprint,
        news: &News,
        holder: &str,
        now: Timestamp,
    ) -> Result<bool, CallError> {
        self.call("append", |state| {
            let held =
                |row: &Row| row.lease.as_ref().is_some_and(|lease| lease.holder == holder && lease.until > now);
            if !state.ledger.row(fingerprint).is_some_and(held) {
                return Ok(false);
            }
            let _ = state.updated(fingerprint, |kept| kept.row.inbox.push(news.clone()));
            Ok(true)
        })
        .await
    }

    async fn read(&self, fingerprint: &Fingerprint) -> Result<Option<Row>, CallError> {
        self.call("read", |state| Ok(state.ledger.row(fingerprint).cloned())).await
    }

    async fn write(&self, write: &Write<'_>) -> Result<Written, CallError> {
        // The SDK's own second try carries the same token, and gets the first one's answer.
        let mut done = None;
        self.call("write", |state| {
            Ok(match &done {
                Some(written @ Written::Done { .. }) => Written::clone(written),
                Some(_) | None => done.insert(state.write(write)).clone(),
            })
        })
        .await
    }

    async fn resume(&self, fingerprint: &Fingerprint, lease: &Lease, now: Timestamp) -> Result<Claim, CallError> {
        self.call("resume", |state| {
            let Some(kept) = state.kept(fingerprint) else { return Ok(Claim::Nothing) };
            if kept.row.is_held(now) {
                let is_mine = kept.row.lease.as_ref().is_some_and(|held| held.holder == lease.holder);
                let row = kept.row.clone();
                return Ok(if is_mine { Claim::Mine(row) } else { Claim::Busy(row) });
            }
            let row = state.updated(fingerprint, |kept| {
                kept.row.lease = Some(lease.clone());
                kept.settled = false;
            });
            Ok(row.map_or(Claim::Nothing, Claim::Mine))
        })
        .await
    }

    async fn open_rows(&self, after: Option<&OpenKey>) -> Result<OpenRows, CallError> {
        self.call("open rows", |state| Ok(state.open_rows(after))).await
    }

    async fn tallies(&self, route: &RouteName, now: Timestamp) -> Result<Tallies, CallError> {
        self.call("tallies", |state| {
            let tallies =
                Tallies { route: state.ledger.tally(Some(route), now), all: state.ledger.tally(None, now) };
            state.ledger.failures_unseen.remove(route);
            let tripped = trips(&Scope::Route(route.clone()), tallies);
            state.ledger.tripped.extend(tripped.map(|(scope, _)| scope));
            Ok(tallies)
        })
        .await
    }

    async fn is_told(&self, key: &str) -> Result<bool, CallError> {
        self.call("is told", |state| Ok(state.ledger.told.contains(key))).await
    }

    async fn mark_told(&self, key: &str, _: Timestamp) -> Result<(), CallError> {
        self.call("mark told", |state| {
            state.ledger.told.insert(key.to_owned());
            Ok(())
        })
        .await
    }

    async fn gather(&self, id: &GatheringId, member: &Member, now: Timestamp) -> Result<Gathering, CallError> {
        self.call("gather", |state| {
            let begun = || {
                let gathering = Gathering {
                    id: id.clone(),
                    opened_at: now,
                    ops_item: None,
                    told_at: None,
                    stands: String::new(),
                    is_over: false,
                };
                (gathering, BTreeMap::new())
            };
            let (gathering, members) = state.ledger.gatherings.entry(id.clone()).or_insert_with(begun);
            members.insert(member.fingerprint().clone(), member.clone());
            Ok(gathering.clone())
        })
        .await
    }

    async fn members(&self, id: &GatheringId, after: Option<&Fingerprint>) -> Result<Members, CallError> {
        self.call("members", |state| {
            let Some((_, members)) = state.ledger.gatherings.get(id) else { return Ok(Members::default()) };
            let mut left =
                members.iter().filter(|(fingerprint, _)| after.is_none_or(|after| *fingerprint > after));
            let page: Vec<_> = left.by_ref().take(PAGE).collect();
            let next =
                left.next().and_then(|_| page.last()).map(|(fingerprint, _)| Fingerprint::clone(fingerprint));
            Ok(Members { members: page.into_iter().map(|(_, member)| member.clone()).collect(), next })
        })
        .await
    }

    async fn keep_gathering(&self, gathering: &Gathering) -> Result<(), CallError> {
        self.call("keep gathering", |state| {
            if let Some((kept, _)) = state.ledger.gatherings.get_mut(&gathering.id) {
                *kept = gathering.clone();
            }
            Ok(())
        })
        .await
    }

    async fn begin_run(&self, lease: &Lease, now: Timestamp) -> Result<Option<LastRun>, CallError> {
        self.call("begin run", |state| {
            let (held, last) = &mut state.ledger.run;
            if held.as_ref().is_some_and(|held| held.until > now && held.holder != lease.holder) {
                return Ok(None);
            }
            *held = Some(lease.clone());
            Ok(Some(last.clone()))
        })
        .await
    }

    async fn end_run(&self, holder: &str, run: &LastRun) -> Result<(), CallError> {
        self.call("end run", |state| {
            let (held, last) = &mut state.ledger.run;
            if held.as_ref().is_some_and(|held| held.holder == holder) {
                (*held, *last) = (None, run.clone());
            }
            Ok(())
        })
        .await
    }
}
