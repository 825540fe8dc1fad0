//! Change calendars: when nobody wants changes.

use crate::time::Timestamp;

/// What the stack's change calendars say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarState {
    /// Changes may be made, at least until then, if a closing is planned.
    Open {
        /// The next closing.
        until: Option<Timestamp>,
    },
    /// Changes may not be made, until then, if an opening is planned.
    Closed {
        /// The next opening.
        until: Option<Timestamp>,
    },
    /// They could not be read.
    Unreadable,
}
