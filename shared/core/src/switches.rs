//! What operators have switched, as text from Parameter Store. Whatever cannot be understood counts as
//! the safe value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::exemption::{Exemption, NotAnExemption, Validity};
use crate::identity::resource_key;
use crate::mode::{Environment, Mode};
use crate::policy::{Policy, RouteName};
use crate::resource::Resource;
use crate::text::printable;
use crate::time::Timestamp;

/// The kill switch. Only `released` lets anything start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillSwitch {
    /// Mend may act.
    Released,
    /// An operator stopped everything.
    Engaged {
        /// Who and why, if they have said so.
        why: Option<String>,
        /// Whether executions that are under way are stopped, too.
        stops: bool,
    },
    /// The parameter does not exist.
    Missing,
    /// It says something else.
    NotUnderstood,
}

impl KillSwitch {
    /// `released`; `engaged` or `engaged and stop`, and after a colon who and why.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (word, why) = match text.split_once(':') {
            Some((word, why)) => (word.trim(), Some(printable(why)).filter(|why| !why.is_empty())),
            None => (text.trim(), None),
        };
        match (word, why) {
            ("released", None) => Self::Released,
            ("engaged", why) => Self::Engaged { why, stops: false },
            ("engaged and stop", why) => Self::Engaged { why, stops: true },
            _ => Self::NotUnderstood,
        }
    }
}

/// A route's mode switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeSwitch {
    /// Not set: the stack's default holds.
    Unset,
    /// Set.
    Set(Mode),
    /// Set to something that is no mode: counts as `observe`.
    NotUnderstood,
}

impl ModeSwitch {
    /// One of the modes.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.trim().parse().map_or(Self::NotUnderstood, Self::Set)
    }
}

/// A route's budget switch. It lowers the policy's starts an hour, and cannot raise them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetSwitch {
    /// Not set: the policy's budget holds.
    Unset,
    /// So many starts an hour.
    Set(u16),
    /// Set to something that is no number: counts as none.
    NotUnderstood,
}

impl BudgetSwitch {
    /// A whole number.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.trim().parse().map_or(Self::NotUnderstood, Self::Set)
    }
}

/// What a circuit breaker interrupts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One route.
    Route(RouteName),
    /// Every route.
    All,
}

impl std::fmt::Display for Scope {
    /// The last part of the breaker's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Route(route) => f.write_str(route.as_str()),
            Self::All => f.write_str("all"),
        }
    }
}

/// A circuit breaker that is open: while its parameter exists, nothing starts, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// Of what.
    pub scope: Scope,
    /// Why, in the words of whoever opened it.
    pub why: String,
}

/// The switches that bear on one route and one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switches {
    /// Parameter Store could not be read: nothing may start.
    Unreadable,
    /// What they say.
    Read {
        /// The kill switch of the environment.
        kill: KillSwitch,
        /// The mode of the route.
        mode: ModeSwitch,
        /// The budget of the route.
        budget: BudgetSwitch,
        /// The breaker that is open, of all routes or of this one.
        breaker: Option<OpenBreaker>,
        /// What is written down about an exemption of the resource, and under which name.
        exemption: Option<Result<Exemption, NotAnExemption>>,
    },
}

/// The names of the parameters that bear on one route and one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchNames {
    kill: String,
    mode: String,
    budget: String,
    route_breaker: String,
    breaker: String,
    exemption: String,
    route: RouteName,
}

impl SwitchNames {
    /// The names for a route and a resource.
    #[must_use]
    pub fn of(environment: Environment, route: &RouteName, resource: &Resource) -> Self {
        Self {
            kill: kill_switch_parameter(environment),
            mode: mode_parameter(environment, route),
            budget: budget_parameter(environment, route),
            route_breaker: breaker_parameter(environment, &Scope::Route(route.clone())),
            breaker: breaker_parameter(environment, &Scope::All),
            exemption: exemption_parameter(environment, route, resource),
            route: route.clone(),
        }
    }

    /// All of them: Parameter Store reads up to ten in one call.
    #[must_use]
    pub fn all(&self) -> [&str; 6] {
        [&self.kill, &self.mode, &self.budget, &self.route_breaker, &self.breaker, &self.exemption]
    }

    /// Reads the switches from the parameters that exist, by their names.
    #[must_use]
    pub fn read(&self, parameters: &BTreeMap<String, String>) -> Switches {
        let value = |name: &str| parameters.get(name).map(String::as_str);
        let breaker = |name: &str, scope: Scope| {
            value(name).map(|text| OpenBreaker {
                scope,
                why: printable(text.trim().strip_prefix("open:").unwrap_or(text)),
            })
        };
        Switches::Read {
            kill: value(&self.kill).map_or(KillSwitch::Missing, KillSwitch::parse),
            mode: value(&self.mode).map_or(ModeSwitch::Unset, ModeSwitch::parse),
            budget: value(&self.budget).map_or(BudgetSwitch::Unset, BudgetSwitch::parse),
            breaker: breaker(&self.breaker, Scope::All)
                .or_else(|| breaker(&self.route_breaker, Scope::Route(self.route.clone()))),
            exemption: value(&self.exemption).map(Exemption::parse),
        }
    }
}

/// What is wrong with the switches of an environment as a whole, or is soon to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// There is no such switch, so whoever set it believes in something that does not happen.
    UnknownSwitch,
    /// A mode or budget that is none: the safe value holds.
    NotUnderstood,
    /// An exemption that cannot be read, so it does not hold.
    InvalidExemption(NotAnExemption),
    /// An exemption that reaches too far into the future, so it does not hold yet.
    TooLongExemption(Exemption),
    /// An exemption that ends within a week.
    EndingExemption(Exemption),
    /// An exemption that has ended.
    EndedExemption(Exemption),
}

/// Looks through all parameters of an environment for what operators should hear about.
#[must_use]
pub fn remarks(
    environment: Environment,
    policy: &Policy,
    parameters: &BTreeMap<String, String>,
    now: Timestamp,
) -> Vec<(String, Remark)> {
    let path = path(environment);
    let is_route = |name: &str| policy.routes().iter().any(|route| route.name.as_str() == name);
    let remark = |name: &str, value: &str| match name.split('/').collect::<Vec<_>>()[..] {
        ["kill-switch"] | ["breaker", "all"] => None,
        ["breaker", route] if is_route(route) => None,
        ["mode", route] if is_route(route) => {
            (ModeSwitch::parse(value) == ModeSwitch::NotUnderstood).then_some(Remark::NotUnderstood)
        }
        ["budget", route] if is_route(route) => {
            (BudgetSwitch::parse(value) == BudgetSwitch::NotUnderstood).then_some(Remark::NotUnderstood)
        }
        ["exemptions", route, _] if is_route(route) => exemption_remark(Exemption::parse(value), now),
        _ => Some(Remark::UnknownSwitch),
    };
    let of_here = parameters.iter().filter_map(|(name, value)| Some((name, name.strip_prefix(&path)?, value)));
    of_here.filter_map(|(name, switch, value)| Some((name.clone(), remark(switch, value)?))).collect()
}

/// What operators should hear about an exemption.
pub(crate) fn exemption_remark(written: Result<Exemption, NotAnExemption>, now: Timestamp) -> Option<Remark> {
    let exemption = match written {
        Ok(exemption) => exemption,
        Err(not) => return Some(Remark::InvalidExemption(not)),
    };
    match exemption.validity(now) {
        Validity::Ended => Some(Remark::EndedExemption(exemption)),
        Validity::TooLong => Some(Remark::TooLongExemption(exemption)),
        Validity::Holds if exemption.until.since(now) <= Exemption::WARNING => {
            Some(Remark::EndingExemption(exemption))
        }
        Validity::Holds => None,
    }
}

/// Where an environment's switches are.
#[must_use]
pub fn path(environment: Environment) -> String {
    format!("/mend/{environment}/")
}

/// The name of the kill switch's parameter.
#[must_use]
pub fn kill_switch_parameter(environment: Environment) -> String {
    format!("{}kill-switch", path(environment))
}

/// The name of the parameter that holds a route's mode.
#[must_use]
pub fn mode_parameter(environment: Environment, route: &RouteName) -> String {
    format!("{}mode/{route}", path(environment))
}

/// The name of the parameter that lowers a route's starts an hour.
#[must_use]
pub fn budget_parameter(environment: Environment, route: &RouteName) -> String {
    format!("{}budget/{route}", path(environment))
}

/// The name of the parameter that is there while a circuit breaker is open.
#[must_use]
pub fn breaker_parameter(environment: Environment, scope: &Scope) -> String {
    format!("{}breaker/{scope}", path(environment))
}

/// The name of the parameter that exempts a resource from a route.
///
/// A character that the name of a parameter cannot have becomes `_`; then a part of the resource's key keeps the
/// names of two resources apart.
#[must_use]
pub fn exemption_parameter(environment: Environment, route: &RouteName, resource: &Resource) -> String {
    /// Longer ids are shortened: a parameter's whole ARN holds 1,011 characters. Source: `PutParameter`.
    const LONGEST: usize = 400;
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-');
    let id = resource.id.as_str();
    let mut name = format!("{}exemptions/{route}/", path(environment));
    name.extend(id.chars().take(LONGEST).map(|character| if allowed(character) { character } else { '_' }));
    if !id.chars().all(allowed) || id.len() > LONGEST {
        let key: String = resource_key(resource).chars().take(8).collect();
        // Writing to a string does not fail.
        let _ = write!(name, "-{key}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::tests::{at, route};
    use crate::resource::ResourceId;

    fn resource(id: &'static str) -> Resource {
        let signal = crate::incident::tests::violated("ssh", 10);
        Resource { id: ResourceId::from_static(id), ..signal.resource }
    }

    fn engaged(why: Option<&str>, stops: bool) -> KillSwitch {
        KillSwitch::Engaged { why: why.map(str::to_owned), stops }
    }

    #[test]
    fn only_released_releases() {
        for (text, expected) in [
            ("released", KillSwitch::Released),
            (" released\n", KillSwitch::Released),
            ("engaged", engaged(None, false)),
            ("engaged: lee, incident 12", engaged(Some("lee, incident 12"), false)),
            ("engaged:\u{7}a\nb", engaged(Some("ab"), false)),
            ("engaged and stop", engaged(None, true)),
            ("engaged and stop: lee: everything", engaged(Some("lee: everything"), true)),
            ("released: lee", KillSwitch::NotUnderstood),
            ("Released", KillSwitch::NotUnderstood),
            ("", KillSwitch::NotUnderstood),
            ("engagedly", KillSwitch::NotUnderstood),
            ("off", KillSwitch::NotUnderstood),
        ] {
            assert_eq!(KillSwitch::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mode_or_budget_that_does_not_parse_is_told_apart() {
        assert_eq!(ModeSwitch::parse("enforce\n"), ModeSwitch::Set(Mode::Enforce));
        assert_eq!(ModeSwitch::parse("ENFORCE"), ModeSwitch::NotUnderstood);
        assert_eq!(ModeSwitch::parse(""), ModeSwitch::NotUnderstood);
        assert_eq!(BudgetSwitch::parse(" 3\n"), BudgetSwitch::Set(3));
        for text in ["", "-1", "3.5", "many", "70000"] {
            assert_eq!(BudgetSwitch::parse(text), BudgetSwitch::NotUnderstood, "{text:?}");
        }
    }

    #[test]
    fn a_resource_is_exempted_under_its_id_where_that_can_be_a_name() {
        let name = |id| exemption_parameter(Environment::Dev, &route().name, &resource(id));
        assert_eq!(name("sg-1"), "/mend/dev/exemptions/close-admin-ports/sg-1");
        assert_eq!(name("a.b_c"), "/mend/dev/exemptions/close-admin-ports/a.b_c");
        let (slash, colon) = (name("role/path"), name("role:path"));
        assert!(slash.starts_with("/mend/dev/exemptions/close-admin-ports/role_path-"), "{slash}");
        assert_ne!(slash, colon);
    }

    #[test]
    fn switches_are_read_by_their_names() {
        let names = SwitchNames::of(Environment::Dev, &route().name, &resource("sg-1"));
        let read = |parameters: &[(&str, &str)]| {
            names.read(&parameters.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        let nothing_set = Switches::Read {
            kill: KillSwitch::Missing,
            mode: ModeSwitch::Unset,
            budget: BudgetSwitch::Unset,
            breaker: None,
            exemption: None,
        };
        assert_eq!(read(&[]), nothing_set);
        let all = read(&[
            ("/mend/dev/kill-switch", "released"),
            ("/mend/dev/mode/close-admin-ports", "approve"),
            ("/mend/dev/budget/close-admin-ports", "2"),
            ("/mend/dev/breaker/close-admin-ports", "open: 3 of 4 attempts failed"),
            ("/mend/dev/exemptions/close-admin-ports/sg-1", "until 2026-12-24: a bastion"),
            ("/mend/dev/exemptions/close-admin-ports/sg-2", "nonsense"),
        ]);
        let Switches::Read { kill, mode, budget, breaker, exemption } = all else { panic!("{all:?}") };
        assert_eq!(
            (kill, mode, budget),
            (KillSwitch::Released, ModeSwitch::Set(Mode::Approve), BudgetSwitch::Set(2))
        );
        let open = OpenBreaker { scope: Scope::Route(route().name), why: "3 of 4 attempts failed".to_owned() };
        assert_eq!(breaker, Some(open));
        assert_eq!(exemption.unwrap().unwrap().reason, "a bastion");
        // Of two that are open the wider one is named, and whatever it says, it is open.
        let Switches::Read { breaker, .. } =
            read(&[("/mend/dev/breaker/all", "closed"), ("/mend/dev/breaker/close-admin-ports", "open: x")])
        else {
            panic!("read")
        };
        assert_eq!(breaker, Some(OpenBreaker { scope: Scope::All, why: "closed".to_owned() }));
    }

    #[test]
    fn operators_hear_of_switches_that_do_nothing_and_of_exemptions_that_end() {
        let policy = Policy::new(vec![route()]);
        let now = Timestamp::parse("2026-11-24T12:00:00Z").unwrap();
        let remark = |name: &str, value: &str| {
            let parameters = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            remarks(Environment::Dev, &policy, &parameters, now).pop().map(|(_, remark)| remark)
        };
        for (name, value) in [
            ("/mend/dev/kill-switch", "released"),
            ("/mend/dev/breaker/all", "open: x"),
            ("/mend/dev/breaker/close-admin-ports", "open: x"),
            ("/mend/dev/mode/close-admin-ports", "enforce"),
            ("/mend/dev/budget/close-admin-ports", "3"),
            ("/mend/dev/exemptions/close-admin-ports/sg-1", "until 2026-12-24: a bastion"),
            ("/mend/prod/mode/other", "this is not ours"),
        ] {
            assert_eq!(remark(name, value), None, "{name}");
        }
        for name in
            ["/mend/dev/mode/close-admin-port", "/mend/dev/killswitch", "/mend/dev/mode", "/mend/dev/breaker/x"]
        {
            assert_eq!(remark(name, "x"), Some(Remark::UnknownSwitch), "{name}");
        }
        assert_eq!(remark("/mend/dev/mode/close-admin-ports", "x"), Some(Remark::NotUnderstood));
        assert_eq!(remark("/mend/dev/budget/close-admin-ports", "x"), Some(Remark::NotUnderstood));
        let exemption = |value| remark("/mend/dev/exemptions/close-admin-ports/sg-1", value);
        assert!(matches!(exemption("forever"), Some(Remark::InvalidExemption(_))));
        assert!(matches!(exemption("until 2027-12-24: x"), Some(Remark::TooLongExemption(_))));
        assert!(matches!(exemption("until 2026-11-30: x"), Some(Remark::EndingExemption(_))));
        assert!(matches!(exemption("until 2026-11-23: x"), Some(Remark::EndedExemption(_))));
        assert!(at(0) < now);
    }
}
