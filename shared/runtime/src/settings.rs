//! What the template tells a function, read once and whole: everything that is wrong comes in one report.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use mend_aws::Names;
use mend_core::account::{AccountId, Partition, Region};
use mend_core::automation::{RoleArn, RoleFamily};
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
        let new_incidents_per_run = match (reader.lookup)("MEND_NEW_INCIDENTS_PER_RUN") {
            Some(text) => text.parse().map_err(|_| {
                reader.wrong.push("MEND_NEW_INCIDENTS_PER_RUN must be a whole number".to_owned());
            }),
            None => Ok(NEW_INCIDENTS_PER_RUN),
        };
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
                },
                names: Names { table: table?, topic_arn: topic_arn?, event_bus: event_bus?, environment },
                timeout: timeout?,
                new_incidents_per_run: new_incidents_per_run.ok()?,
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
    }

    #[test]
    fn reports_everything_that_is_wrong_at_once() {
        let wrong = environment(&[
            ("MEND_ENVIRONMENT", "production"),
            ("MEND_ACCOUNT_ID", ""),
            ("MEND_AUTOMATION_ROLES", "network"),
            ("MEND_TIMEOUT_SECONDS", "900"),
        ]);
        let error = Settings::read(wrong, mend_policy::policy()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the function's environment is wrong, so nothing can run: \
             MEND_ENVIRONMENT: must be one of dev, staging, prod; \
             MEND_ACCOUNT_ID is not set; \
             MEND_AUTOMATION_ROLES: must be family=role ARN, separated by commas; \
             MEND_TIMEOUT_SECONDS: must be a whole number of seconds from 5 to 50"
        );
    }

    #[test]
    fn every_route_needs_its_role() {
        let other = environment(&[("MEND_AUTOMATION_ROLES", "storage=arn:aws:iam::111122223333:role/storage")]);
        let error = Settings::read(other, mend_policy::policy()).unwrap_err();
        assert!(error.to_string().contains("must name a role for network"), "{error}");
    }
}
