//! What a world consists of: the policy, the stack, the resources and their checks.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mend_core::account::{AccountId, Partition, PrincipalArn, Region};
use mend_core::automation::{AlarmName, ParameterName, RoleArn, RoleFamily, RunbookName};
use mend_core::mode::{Environment, Mode};
use mend_core::policy::{
    Budget, Category, Ceiling, Glob, ParameterSource, Policy, Problem, Route, RouteName, Severity, Takes, Title,
};
use mend_core::report::Place;
use mend_core::resource::{Resource, ResourceId, ResourceType};
use mend_core::signal::ConfigRuleName;
use mend_responder::Stack;

/// Whoever changes what the functions change.
pub(crate) const FUNCTION: PrincipalArn =
    PrincipalArn::from_static("arn:aws:sts::111122223333:assumed-role/mend-Role/mend-dev-config-compliance");
/// Whoever changes what people change.
pub(crate) const PERSON: PrincipalArn = PrincipalArn::from_static("arn:aws:iam::111122223333:user/lee");

const GROUP: ResourceType = ResourceType::from_static("AWS::EC2::SecurityGroup");
const BUCKET: ResourceType = ResourceType::from_static("AWS::S3::Bucket");

/// The parameter of each route's runbook that names the resource.
pub(crate) const RESOURCE_PARAMETER: ParameterName = ParameterName::from_static("ResourceId");
/// The alarm of the buckets' route.
pub(crate) const ALARM: AlarmName = AlarmName::from_static("bucket-errors");

/// One rule of Config and one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Check {
    /// An index of [`RULES`].
    pub(crate) rule: usize,
    /// The resource's number.
    pub(crate) resource: usize,
}

/// Config's rules, and the index of the route that each belongs to.
static RULES: [(ConfigRuleName, usize); 4] = [
    (ConfigRuleName::from_static("ssh"), 0),
    (ConfigRuleName::from_static("rdp"), 0),
    (ConfigRuleName::from_static("description"), 1),
    (ConfigRuleName::from_static("public-bucket"), 2),
];

impl Check {
    /// The rule's name.
    pub(crate) fn rule(self) -> ConfigRuleName {
        let (name, _) = RULES.get(self.rule).unwrap_or(&RULES[0]);
        name.clone()
    }

    /// The index of the route that takes what the rule says.
    pub(crate) fn route(self) -> usize {
        RULES.get(self.rule).unwrap_or(&RULES[0]).1
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} about {}", self.rule(), id(self.resource))
    }
}

/// Every fourth resource is a bucket, the others are security groups.
const fn is_bucket(resource: usize) -> bool {
    resource % 4 == 3
}

fn id(resource: usize) -> String {
    format!("{}-{resource:04}", if is_bucket(resource) { "bucket" } else { "sg" })
}

/// What is fixed about a world.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) environment: Environment,
    pub(crate) default_mode: Mode,
    /// How many resources there are, with numbers from 0.
    pub(crate) resources: usize,
    pub(crate) routes: Vec<Route>,
    pub(crate) running_in_all: u16,
    pub(crate) storm_threshold: u32,
    /// Whether Automation says which execution a token that it knows belongs to.
    pub(crate) tokens_tell_the_execution: bool,
    /// Whether there is anybody to ask for approval.
    pub(crate) has_approvers: bool,
}

impl Scene {
    /// A world with so many resources.
    pub(crate) fn new(environment: Environment, default_mode: Mode, resources: usize) -> Self {
        let mut routes = vec![
            route("close-admin-ports", "open-admin-ports", &["ssh", "rdp"], GROUP, "Mend-CloseAdminPorts"),
            route("describe-groups", "no-description", &["description"], GROUP, "Mend-DescribeGroup"),
            route("block-public-bucket", "public-bucket", &["public-bucket"], BUCKET, "Mend-BlockPublicBucket"),
        ];
        for (index, route) in routes.iter_mut().enumerate() {
            match index {
                0 => {
                    route.is_exempt_by_tag = true;
                    route.budget = Budget { starts_per_hour: 4, running: 2 };
                }
                1 => {
                    route.attempts = 1;
                    route.is_emergency = true;
                    route.severity = Severity::Critical;
                }
                _ => {
                    route.alarm = Some(ALARM);
                    route.ceiling = Ceiling { dev: Mode::Enforce, staging: Mode::Enforce, prod: Mode::Approve };
                }
            }
        }
        Self {
            environment,
            default_mode,
            resources,
            routes,
            running_in_all: 3,
            storm_threshold: 4,
            tokens_tell_the_execution: true,
            has_approvers: true,
        }
    }

    /// Every check that there is.
    pub(crate) fn checks(&self) -> Vec<Check> {
        (0..self.resources).flat_map(checks_of).collect()
    }

    /// Where the stack is.
    pub(crate) fn place(&self) -> Place {
        Place {
            partition: Partition::from_static("aws"),
            account: AccountId::from_static("111122223333"),
            region: Region::from_static("eu-central-1"),
            environment: self.environment,
        }
    }
}

/// A resource, by its number.
pub(crate) fn resource_of(number: usize) -> Resource {
    Resource {
        account: AccountId::from_static("111122223333"),
        region: Region::from_static("eu-central-1"),
        kind: if is_bucket(number) { BUCKET } else { GROUP },
        id: ResourceId::new(id(number)).unwrap_or(ResourceId::from_static("none")),
    }
}

/// The number of a resource, by its id.
pub(crate) fn number_of(id: &str) -> usize {
    id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// The checks of one resource.
pub(crate) fn checks_of(resource: usize) -> Vec<Check> {
    let rules = if is_bucket(resource) { 3..4 } else { 0..3 };
    rules.map(|rule| Check { rule, resource }).collect()
}

fn route(
    name: &'static str,
    problem: &'static str,
    rules: &[&'static str],
    kind: ResourceType,
    runbook: &'static str,
) -> Route {
    Route {
        name: RouteName::from_static(name),
        problem: Problem::from_static(problem),
        title: Title::from_static("Something is wrong"),
        takes: Takes {
            config_rules: rules.iter().map(|rule| Glob::from_static(rule)).collect(),
            resource_types: vec![kind],
        },
        rank: 0,
        severity: Severity::High,
        category: Category::Security,
        runbook: RunbookName::from_static(runbook),
        undo: None,
        role: RoleFamily::from_static("network"),
        parameters: vec![(RESOURCE_PARAMETER, ParameterSource::ResourceId)],
        attempts: 2,
        ceiling: Ceiling { dev: Mode::Enforce, staging: Mode::Enforce, prod: Mode::Enforce },
        budget: Budget { starts_per_hour: 3, running: 1 },
        expected_duration: Duration::from_mins(10),
        is_emergency: false,
        is_exempt_by_tag: false,
        alarm: None,
    }
}

/// What all invocations of a world share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) policy: Policy,
    pub(crate) stack: Stack,
}

impl Stage {
    pub(crate) fn of(scene: &Scene) -> Self {
        let role = RoleArn::from_static("arn:aws:iam::111122223333:role/mend-network");
        Self {
            policy: Policy::new(scene.routes.clone()),
            stack: Stack {
                place: scene.place(),
                default_mode: scene.default_mode,
                roles: BTreeMap::from([(RoleFamily::from_static("network"), role)]),
                running_in_all: scene.running_in_all,
                storm_threshold: scene.storm_threshold,
                has_approvers: scene.has_approvers,
                ledger_table: "mend-ledger".to_owned(),
            },
        }
    }
}
