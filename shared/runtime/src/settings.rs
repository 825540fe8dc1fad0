//! What the template tells a function, read once and whole: everything that is wrong comes in one report.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use mend_aws::Names;
use mend_core::account::{AccountId, Partition, Region};
use mend_core::automation::{AlarmName, Approver, CalendarName, RoleArn, RoleFamily};
use mend_core::policy::Policy;
use mend_core::report::Place;
use mend_responder::Stack;
use thiserror::Error;

/// A function's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the stack was deployed with.
    pub stack: Stack,
    /// What it calls its resources.
    pub names: Names,
    /// The function's time-out.
    pub timeout: Duration,
    /// How many incidents a run of `reconcile` may open at most.
    pub new_incidents_per_run: usize,
    /// The alarms that open the circuit breaker of all routes.
    pub breaker_alarms: Vec<AlarmName>,
}

/// Everything that is wrong with the environment.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the function's environment is wrong, so nothing can run: {}", .0.join("; "))]
pub struct InvalidSettings(Vec<String>);

/// The lease on an incident lasts the time-out and five seconds, and has to end before Lambda first
/// retries an asynchronous invocation, after a minute.
const LONGEST_TIMEOUT: u64 = 50;
/// Unless the template says otherwise.
const NEW_INCIDENTS_PER_RUN: usize = 20;
/// Likewise: AWS lets a hundred executions run in an account and Region, and others start some, too.
const RUNNING_ATTEMPTS: u16 = 25;
/// Likewise.
const STORM_THRESHOLD: u32 = 20;
/// Automation asks no more people.
const MOST_APPROVERS: usize = 10;

impl Settings {
    /// Reads the settings through `lookup`, which is the process's environment or, in tests, a map.
    /// Every route of `policy` must find its role.
    pub fn read(lookup: impl Fn(&str) -> Option<String>, policy: &Policy) -> Result<Self, InvalidSettings> {
        let mut reader = Reader { lookup, wrong: Vec::new() };
        let environment = reader.parsed("MEND_ENVIRONMENT", str::parse);
        let account = reader.parsed("MEND_ACCOUNT_ID", |text| AccountId::new(text));
        let partition = reader.parsed("MEND_PARTITION", |text| Partition::new(text));
        let region = reader.parsed("AWS_REGION", |text| Region::new(text));
        let default_mode = reader.parsed("MEND_MODE", str::parse);
        let roles = reader.parsed("MEND_AUTOMATION_ROLES", roles);
        let table = reader.text("MEND_LEDGER_TABLE");
        let topic_arn = reader.text("MEND_TOPIC_ARN");
        let event_bus = reader.text("MEND_EVENT_BUS");
        let timeout = reader.parsed("MEND_TIMEOUT_SECONDS", timeout);
        let new_incidents_per_run = reader.number("MEND_NEW_INCIDENTS_PER_RUN", NEW_INCIDENTS_PER_RUN);
        let running_in_all = reader.number("MEND_RUNNING_ATTEMPTS", RUNNING_ATTEMPTS);
        let storm_threshold = reader.number("MEND_STORM_THRESHOLD", STORM_THRESHOLD);
        let approvers = reader.list("MEND_APPROVERS", |text| Approver::new(text));
        let approval_topic_arn = reader.text("MEND_APPROVAL_TOPIC_ARN");
        let approval_role_arn = reader.parsed("MEND_APPROVAL_ROLE_ARN", |text| RoleArn::new(text));
        let calendars = reader.list("MEND_CHANGE_CALENDARS", |text| CalendarName::new(text));
        // Only the function that listens to alarms has them.
        let breaker_alarms = match (reader.lookup)("MEND_BREAKER_ALARMS") {
            Some(_) => reader.list("MEND_BREAKER_ALARMS", |text| AlarmName::new(text)),
            None => Some(Vec::new()),
        };
        if approvers.as_ref().is_some_and(|approvers| approvers.len() > MOST_APPROVERS) {
            reader.wrong.push(format!("MEND_APPROVERS must name at most {MOST_APPROVERS}"));
        }
        for route in policy.routes() {
            if roles.as_ref().is_some_and(|roles| !roles.contains_key(&route.role)) {
                reader.wrong.push(format!(
                    "MEND_AUTOMATION_ROLES must name a role for {}, which the route {} needs",
                    route.role, route.name
                ));
            }
        }
        let complete = move || {
            let environment = environment?;
            Some(Self {
                stack: Stack {
                    place: Place { partition: partition?, account: account?, region: region?, environment },
                    default_mode: default_mode?,
                    roles: roles?,
                    running_in_all: running_in_all?,
                    storm_threshold: storm_threshold?,
                    has_approvers: approvers.as_ref().is_some_and(|approvers| !approvers.is_empty()),
                    ledger_table: table.clone()?,
                },
                names: Names {
                    table: table?,
                    topic_arn: topic_arn?,
                    event_bus: event_bus?,
                    environment,
                    approvers: approvers?,
                    approval_topic_arn: approval_topic_arn?,
                    approval_role_arn: approval_role_arn?,
                    calendars: calendars?,
                },
                timeout: timeout?,
                new_incidents_per_run: new_incidents_per_run?,
                breaker_alarms: breaker_alarms?,
            })
        };
        match complete() {
            Some(settings) if reader.wrong.is_empty() => Ok(settings),
            _ => Err(InvalidSettings(reader.wrong)),
        }
    }
}

struct Reader<L> {
    lookup: L,
    wrong: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn text(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        if value.is_none() {
            self.wrong.push(format!("{name} is not set"));
        }
        value
    }

    fn parsed<T, E: Display>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|error| self.wrong.push(format!("{name}: {error}"))).ok()
    }

    /// A whole number, or what holds unless the template says otherwise.
    fn number<N: FromStr>(&mut self, name: &str, default: N) -> Option<N> {
        let Some(text) = (self.lookup)(name) else { return Some(default) };
        text.parse().map_err(|_| self.wrong.push(format!("{name} must be a whole number"))).ok()
    }

    /// Separated by commas. It may be empty, and has to be there.
    fn list<T, E: Display>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let Some(text) = (self.lookup)(name) else {
            self.wrong.push(format!("{name} is not set"));
            return None;
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let parsed: Result<Vec<T>, E> = parts.map(parse).collect();
        parsed.map_err(|error| self.wrong.push(format!("{name}: {error}"))).ok()
    }
}

/// `family=role ARN`, separated by commas.
fn roles(text: &str) -> Result<BTreeMap<RoleFamily, RoleArn>, String> {
    text.split(',')
        .map(|pair| {
            let (family, arn) = pair.split_once('=').ok_or("must be family=role ARN, separated by commas")?;
            let family = RoleFamily::new(family).map_err(|error| error.to_string())?;
            let arn = RoleArn::new(arn).map_err(|error| error.to_string())?;
            Ok((family, arn))
        })
        .collect()
}

fn timeout(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (5..=LONGEST_TIMEOUT).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("must be a whole number of seconds from 5 to {LONGEST_TIMEOUT}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(changes: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let mut variables: BTreeMap<String, String> = [
            ("MEND_ENVIRONMENT", "dev"),
            ("MEND_ACCOUNT_ID", "111122223333"),
            ("MEND_PARTITION", "aws"),
            ("AWS_REGION", "eu-central-1"),
            ("MEND_MODE", "observe"),
            (
                "MEND_AUTOMATION_ROLES",
                "network=arn:aws:iam::111122223333:role/mend-dev-network,\
                 storage=arn:aws:iam::111122223333:role/mend-dev-storage,\
                 encryption=arn:aws:iam::111122223333:role/mend-dev-encryption",
            ),
            ("MEND_LEDGER_TABLE", "mend-dev-ledger"),
            ("MEND_TOPIC_ARN", "arn:aws:sns:eu-central-1:111122223333:mend-dev"),
            ("MEND_EVENT_BUS", "mend-dev"),
            ("MEND_TIMEOUT_SECONDS", "30"),
            ("MEND_CHANGE_CALENDARS", ""),
            ("MEND_APPROVERS", ""),
            ("MEND_APPROVAL_TOPIC_ARN", "arn:aws:sns:eu-central-1:111122223333:Automation-mend-dev"),
            ("MEND_APPROVAL_ROLE_ARN", "arn:aws:iam::111122223333:role/mend-dev-approval"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        move |name| variables.get(name).cloned()
    }

    #[test]
    fn reads_what_the_template_sets() {
        let settings = Settings::read(environment(&[]), mend_policy::policy()).unwrap();
        assert_eq!(settings.names.table, "mend-dev-ledger");
        assert_eq!(settings.timeout, Duration::from_secs(30));
        assert_eq!(settings.stack.place.account.as_str(), "111122223333");
        assert_eq!((settings.stack.running_in_all, settings.stack.storm_threshold), (25, 20));
        assert!(!settings.stack.has_approvers && settings.names.approvers.is_empty());
        assert!(settings.names.calendars.is_empty() && settings.breaker_alarms.is_empty());
    }

    #[test]
    fn reads_lists_and_limits() {
        let changes = [
            ("MEND_CHANGE_CALENDARS", "Freeze, arn:aws:ssm:eu-central-1:111122223333:document/Holidays"),
            ("MEND_APPROVERS", "lee,arn:aws:iam::111122223333:role/operators"),
            ("MEND_RUNNING_ATTEMPTS", "7"),
            ("MEND_STORM_THRESHOLD", "50"),
            ("MEND_BREAKER_ALARMS", "orders 5xx"),
        ];
        let settings = Settings::read(environment(&changes), mend_policy::policy()).unwrap();
        let calendars: Vec<_> = settings.names.calendars.iter().map(CalendarName::as_str).collect();
        assert_eq!(calendars, ["Freeze", "arn:aws:ssm:eu-central-1:111122223333:document/Holidays"]);
        let approvers: Vec<_> = settings.names.approvers.iter().map(Approver::as_str).collect();
        assert_eq!(approvers, ["lee", "arn:aws:iam::111122223333:role/operators"]);
        assert!(settings.stack.has_approvers);
        assert_eq!((settings.stack.running_in_all, settings.stack.storm_threshold), (7, 50));
        assert_eq!(settings.breaker_alarms, [AlarmName::from_static("orders 5xx")]);
    }

    #[test]
    fn reports_everything_that_is_wrong_at_once() {
        let wrong = environment(&[
            ("MEND_ENVIRONMENT", "production"),
            ("MEND_ACCOUNT_ID", ""),
            ("MEND_AUTOMATION_ROLES", "network"),
            ("MEND_TIMEOUT_SECONDS", "900"),
            ("MEND_RUNNING_ATTEMPTS", "many"),
            ("MEND_APPROVERS", "a,b,c,d,e,f,g,h,i,j,k"),
            ("MEND_CHANGE_CALENDARS", "Freeze,?"),
        ]);
        let error = Settings::read(wrong, mend_policy::policy()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the function's environment is wrong, so nothing can run: \
             MEND_ENVIRONMENT: must be one of dev, staging, prod; \
             MEND_ACCOUNT_ID is not set; \
             MEND_AUTOMATION_ROLES: must be family=role ARN, separated by commas; \
             MEND_TIMEOUT_SECONDS: must be a whole number of seconds from 5 to 50; \
             MEND_RUNNING_ATTEMPTS must be a whole number; \
             MEND_CHANGE_CALENDARS: a calendar's name must be letters, digits and . _ - : /, as names and ARNs have them; \
             MEND_APPROVERS must name at most 10"
        );
    }

    #[test]
    fn every_route_needs_its_role() {
        let other = environment(&[("MEND_AUTOMATION_ROLES", "storage=arn:aws:iam::111122223333:role/storage")]);
        let error = Settings::read(other, mend_policy::policy()).unwrap_err();
        assert!(error.to_string().contains("must name a role for network"), "{error}");
    }
}
