//! What people are told about Mend itself: switches, breakers, exemptions.

use serde_json::json;

use super::{Notification, Place};
use crate::budget::Hour;
use crate::exemption::Exemption;
use crate::switches::{KillSwitch, OpenBreaker, Remark, Scope, breaker_parameter, kill_switch_parameter};
use crate::time::Timestamp;

/// Something that is not about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The kill switch says something else than before.
    KillSwitch {
        /// What it says.
        kill: KillSwitch,
        /// How many executions were stopped for it.
        stopped: usize,
    },
    /// A circuit breaker has opened.
    BreakerOpened(OpenBreaker),
    /// A switch or an exemption needs a person's eye.
    Remark {
        /// The name of the parameter, or whose tags it is.
        place: String,
        /// What about it.
        remark: Remark,
    },
}

impl Notice {
    /// What is told once has the same key each time.
    #[must_use]
    pub fn key(&self, now: Timestamp) -> String {
        match self {
            Self::KillSwitch { kill, .. } => format!("kill-switch/{kill:?}"),
            // Closed by a person and open again is news.
            Self::BreakerOpened(OpenBreaker { scope, .. }) => format!("breaker/{scope}/{}", Hour::of(now)),
            Self::Remark { place, remark } => match remark {
                Remark::UnknownSwitch | Remark::NotUnderstood | Remark::InvalidExemption(_) => {
                    format!("remark/{place}/{}", name(remark))
                }
                Remark::TooLongExemption(exemption)
                | Remark::EndingExemption(exemption)
                | Remark::EndedExemption(exemption) => {
                    format!("remark/{place}/{}/{}", name(remark), exemption.until.milliseconds())
                }
            },
        }
    }

    /// The message.
    #[must_use]
    pub fn notification(&self, stack: &Place, now: Timestamp) -> Notification {
        let (what, text, severity) = match self {
            Self::KillSwitch { kill, stopped } => kill_switch(kill, *stopped, stack),
            Self::BreakerOpened(breaker) => breaker_opened(breaker, stack),
            Self::Remark { place, remark } => self::remark(place, remark),
        };
        let (change, route) = match self {
            Self::KillSwitch { .. } => ("KillSwitch", "all".to_owned()),
            Self::BreakerOpened(OpenBreaker { scope, .. }) => ("BreakerOpened", scope.to_string()),
            Self::Remark { .. } => ("Remark", "all".to_owned()),
        };
        Notification::about_mend(
            stack,
            &what,
            text,
            json!({"id": self.key(now), "notice": change, "what": what}),
            severity,
            &route,
            change,
        )
    }
}

const fn name(remark: &Remark) -> &'static str {
    match remark {
        Remark::UnknownSwitch => "unknown",
        Remark::NotUnderstood => "not-understood",
        Remark::InvalidExemption(_) => "invalid",
        Remark::TooLongExemption(_) => "too-long",
        Remark::EndingExemption(_) => "ending",
        Remark::EndedExemption(_) => "ended",
    }
}

fn kill_switch(kill: &KillSwitch, stopped: usize, place: &Place) -> (String, String, &'static str) {
    let parameter = kill_switch_parameter(place.environment);
    let release = format!("aws ssm put-parameter --overwrite --type String --name {parameter} --value released");
    let (what, why) = match kill {
        KillSwitch::Released => {
            return (
                "The kill switch is released".to_owned(),
                "Mend may act again. What was deferred goes on, the oldest first, within the budgets.\n"
                    .to_owned(),
                "low",
            );
        }
        KillSwitch::Engaged { why: Some(why), .. } => ("is engaged", format!("It says: {why}.")),
        KillSwitch::Engaged { why: None, .. } => {
            ("is engaged", "It does not say who engaged it, or why.".to_owned())
        }
        KillSwitch::Missing => {
            ("is missing", format!("There is no parameter {parameter}, which counts as engaged."))
        }
        KillSwitch::NotUnderstood => {
            ("is not understood", "It says neither released nor engaged, which counts as engaged.".to_owned())
        }
    };
    let stopped = match stopped {
        0 => String::new(),
        1 => " 1 execution that was under way was stopped.".to_owned(),
        more => format!(" {more} executions that were under way were stopped."),
    };
    let text = format!(
        "What happened: the kill switch of {} {what}. {why}\n\
         What Mend did: it starts nothing. Problems are recorded as deferred.{stopped}\n\
         What you need to do: when it is safe again: {release}\n",
        place.environment
    );
    (format!("The kill switch {what}"), text, "high")
}

fn breaker_opened(OpenBreaker { scope, why }: &OpenBreaker, place: &Place) -> (String, String, &'static str) {
    let of = match scope {
        Scope::Route(route) => format!("the route {route}"),
        Scope::All => "all routes".to_owned(),
    };
    let text = format!(
        "What happened: {why}.\n\
         What Mend did: it opened the circuit breaker of {of}, and starts nothing there. Problems are recorded as \
         deferred.\n\
         What you need to do: find out why, then close it: aws ssm delete-parameter --name {}\n",
        breaker_parameter(place.environment, scope)
    );
    (format!("Circuit breaker open: {scope}"), text, "high")
}

fn remark(place: &str, remark: &Remark) -> (String, String, &'static str) {
    let (what, happened, to_do) = match remark {
        Remark::UnknownSwitch => (
            "A switch does nothing",
            format!("{place} is none of Mend's switches."),
            "correct its name, or delete it.".to_owned(),
        ),
        Remark::NotUnderstood => (
            "A switch is not understood",
            format!("the value of {place} is none, so the safe one holds: observe, or no start at all."),
            "a mode is off, observe, approve or enforce; a budget is a whole number.".to_owned(),
        ),
        Remark::InvalidExemption(not) => (
            "An exemption does not hold",
            format!("{place}: {not}."),
            "correct it, or delete it. Until then the resource is not exempt.".to_owned(),
        ),
        Remark::TooLongExemption(Exemption { until, .. }) => (
            "An exemption does not hold",
            format!("{place} ends at {until}, more than 90 days ahead."),
            "choose an earlier end. Until then the resource is not exempt.".to_owned(),
        ),
        Remark::EndingExemption(exemption) => (
            "An exemption ends soon",
            format!("{place} holds {exemption}."),
            "nothing, if it may end: then Mend answers again. Otherwise write a later end.".to_owned(),
        ),
        Remark::EndedExemption(exemption) => (
            "An exemption has ended",
            format!("{place} held {exemption}. Mend answers again."),
            "delete it.".to_owned(),
        ),
    };
    let text = format!("What happened: {happened}\nWhat you need to do: {to_do}\n");
    (what.to_owned(), text, "medium")
}
