//! Text that has been checked: an unvalidated string does not travel through Mend.

use thiserror::Error;

/// Text from outside that is not what it should be.
///
/// The message names the kind of text and the rule, never the text itself: it may be hostile or secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{kind} must be {rule}")]
pub struct InvalidText {
    /// What the text was meant to be, for example `an account id`.
    pub kind: &'static str,
    /// The rule that it breaks, for example `12 digits`.
    pub rule: &'static str,
}

/// Declares a type for text that obeys one rule. `valid` is a `const fn(&[u8]) -> bool`, so that the
/// compiled policy is held to the same rule, at compile time.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::borrow::Cow<'static, str>);

        impl $name {
            #[doc = concat!("Accepts ", $kind, ": ", $rule, ".")]
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::text::InvalidText> {
                let text = text.into();
                if $valid(text.as_bytes()) {
                    Ok(Self(std::borrow::Cow::Owned(text)))
                } else {
                    Err($crate::text::InvalidText { kind: $kind, rule: $rule })
                }
            }

            #[doc = concat!("The same for text in the source code. Stops compilation, or panics, unless it is ", $rule, ".")]
            #[must_use]
            pub const fn from_static(text: &'static str) -> Self {
                assert!($valid(text.as_bytes()), concat!($kind, " must be ", $rule));
                Self(std::borrow::Cow::Borrowed(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}
pub(crate) use text_type;

/// Whether every byte is an ASCII letter, a digit or one of `others`, and the length is within bounds.
pub(crate) const fn consists_of(text: &[u8], others: &[u8], shortest: usize, longest: usize) -> bool {
    if text.len() < shortest || text.len() > longest {
        return false;
    }
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && !contains(others, &[*byte]) {
            return false;
        }
        rest = tail;
    }
    true
}

/// Whether the part occurs in the text.
pub(crate) const fn contains(text: &[u8], part: &[u8]) -> bool {
    let mut rest = text;
    loop {
        if begins_with(rest, part) {
            return true;
        }
        match rest {
            [_, tail @ ..] => rest = tail,
            [] => return false,
        }
    }
}

const fn begins_with(text: &[u8], beginning: &[u8]) -> bool {
    let (mut text, mut beginning) = (text, beginning);
    while let [expected, others @ ..] = beginning {
        match text {
            [byte, tail @ ..] if *byte == *expected => (text, beginning) = (tail, others),
            _ => return false,
        }
    }
    true
}

/// Words of operators and alarms go into OpsItems and notifications: one line, not too long.
#[must_use]
pub fn printable(text: &str) -> String {
    text.trim().chars().filter(|character| !character.is_control()).take(200).collect()
}

/// ASCII that can be seen, and spaces.
pub(crate) const fn is_printable(text: &[u8], longest: usize) -> bool {
    if text.is_empty() || text.len() > longest {
        return false;
    }
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_graphic() && *byte != b' ' {
            return false;
        }
        rest = tail;
    }
    true
}

/// Lower-case words joined by single hyphens, as route names and problems are written.
pub(crate) const fn is_kebab_case(text: &[u8], longest: usize) -> bool {
    if text.is_empty() || text.len() > longest {
        return false;
    }
    let mut rest = text;
    let mut previous = b'-';
    while let [byte, tail @ ..] = rest {
        let hyphen = *byte == b'-';
        if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || hyphen) || (hyphen && previous == b'-') {
            return false;
        }
        previous = *byte;
        rest = tail;
    }
    previous != b'-'
}

/// `length` lower-case hexadecimal digits.
pub(crate) const fn is_hex(text: &[u8], length: usize) -> bool {
    if text.len() != length {
        return false;
    }
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !matches!(byte, b'0'..=b'9' | b'a'..=b'f') {
            return false;
        }
        rest = tail;
    }
    true
}
