//! What a runbook is for: which of the rules it has to keep.

use mend_core::automation::APPROVE_AND_RUN;

const RESTORE: &str = "Mend-Restore";

/// What a runbook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Mends a resource.
    Repairs,
    /// Undoes what one that repairs has done.
    Restores,
    /// Asks people, and then runs another. There is only one.
    Asks,
}

impl Kind {
    /// By the runbook's name.
    pub(super) fn of(name: &str) -> Self {
        if name == APPROVE_AND_RUN.as_str() {
            Self::Asks
        } else if name.starts_with(RESTORE) {
            Self::Restores
        } else {
            Self::Repairs
        }
    }
}

/// The runbook that restores what another one has changed.
pub(crate) fn restore_of(name: &str) -> String {
    format!("{RESTORE}{}", noun(name))
}

/// `AdminPorts` of `Mend-CloseAdminPorts`.
pub(super) fn noun(name: &str) -> &str {
    let verb_and_noun = name.strip_prefix("Mend-").unwrap_or(name);
    let start = verb_and_noun.char_indices().skip(1).find(|(_, letter)| letter.is_ascii_uppercase());
    start.and_then(|(at, _)| verb_and_noun.get(at..)).unwrap_or_default()
}

/// Whether this is the name of a runbook that restores.
pub(crate) fn restores(name: &str) -> bool {
    Kind::of(name) == Kind::Restores
}
