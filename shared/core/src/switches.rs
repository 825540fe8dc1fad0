//! What operators have switched, as text from Parameter Store. Whatever cannot be understood counts as
//! the safe value.

use crate::mode::{Environment, Mode};
use crate::policy::RouteName;

/// The kill switch. Only `released` lets anything start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillSwitch {
    /// Mend may act.
    Released,
    /// An operator stopped everything, and may have said who and why.
    Engaged(Option<String>),
    /// The parameter does not exist.
    Missing,
    /// It says something else.
    NotUnderstood,
}

impl KillSwitch {
    /// `released`, `engaged`, or `engaged: who and why`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if text == "released" {
            return Self::Released;
        }
        match text.strip_prefix("engaged") {
            Some("") => Self::Engaged(None),
            Some(rest) => match rest.strip_prefix(':') {
                Some(why) => Self::Engaged(Some(printable(why.trim()))),
                None => Self::NotUnderstood,
            },
            None => Self::NotUnderstood,
        }
    }
}

/// An operator's reason goes into OpsItems and notifications: one line, not too long.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
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

/// The switches that bear on one route.
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
    },
}

/// The name of the kill switch's parameter.
#[must_use]
pub fn kill_switch_parameter(environment: Environment) -> String {
    format!("/mend/{environment}/kill-switch")
}

/// The name of the parameter that holds a route's mode.
#[must_use]
pub fn mode_parameter(environment: Environment, route: &RouteName) -> String {
    format!("/mend/{environment}/mode/{route}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_releases() {
        for (text, expected) in [
            ("released", KillSwitch::Released),
            (" released\n", KillSwitch::Released),
            ("engaged", KillSwitch::Engaged(None)),
            ("engaged: lee, incident 12", KillSwitch::Engaged(Some("lee, incident 12".into()))),
            ("engaged:\u{7}a\nb", KillSwitch::Engaged(Some("ab".into()))),
            ("Released", KillSwitch::NotUnderstood),
            ("", KillSwitch::NotUnderstood),
            ("engagedly", KillSwitch::NotUnderstood),
            ("off", KillSwitch::NotUnderstood),
        ] {
            assert_eq!(KillSwitch::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mode_that_does_not_parse_is_told_apart() {
        assert_eq!(ModeSwitch::parse("enforce\n"), ModeSwitch::Set(Mode::Enforce));
        assert_eq!(ModeSwitch::parse("ENFORCE"), ModeSwitch::NotUnderstood);
        assert_eq!(ModeSwitch::parse(""), ModeSwitch::NotUnderstood);
    }
}
