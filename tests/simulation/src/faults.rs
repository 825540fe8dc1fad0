//! What goes wrong, and how often.

use std::fmt;

use mend_core::mode::Environment;

use crate::account::State;

/// How often of a thousand times what goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// A call fails for now, without effect: throttled, or a 5xx.
    pub(crate) throttled: u32,
    /// A call has its effect, and the answer is lost.
    pub(crate) answer_lost: u32,
    /// A call is made twice, by the SDK's own retry.
    pub(crate) twice: u32,
    /// A call fails for good, where that leaves Mend a way out.
    pub(crate) refused: u32,
    /// The function dies before a call, or after it.
    pub(crate) crash: u32,
    /// An event does not come.
    pub(crate) event_lost: u32,
    /// An event comes again.
    pub(crate) event_repeated: u32,
    /// The weight of late events, against 20 for those in time.
    pub(crate) delays: u32,
    /// A list does not show yet what has just changed.
    pub(crate) lists_lag: u32,
    /// An execution does not repair: it fails, times out, or says that it has repaired what it has not.
    pub(crate) repairs_fail: u32,
    /// A call takes seconds.
    pub(crate) slow: u32,
    /// In a search: so many invocations may yet die, each at any of its calls.
    pub(crate) deaths: Option<u32>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    Throttled,
    AnswerLost,
    Twice,
    Refused,
    CrashBefore,
    CrashAfter,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Throttled => "throttled",
            Self::AnswerLost => "done, and the answer lost",
            Self::Twice => "done twice",
            Self::Refused => "refused",
            Self::CrashBefore => "the function dies before it",
            Self::CrashAfter => "the function dies after it",
        })
    }
}

const FATES: [Fate; 7] = [
    Fate::Fine,
    Fate::Throttled,
    Fate::AnswerLost,
    Fate::Twice,
    Fate::Refused,
    Fate::CrashBefore,
    Fate::CrashAfter,
];

/// Calls that may fail for good, and Mend has to live with it. A ledger that refuses for good is an outage.
const REFUSABLE: [&str; 6] = ["create OpsItem", "update OpsItem", "publish", "put event", "version", "calendar"];

impl State<'_> {
    /// What becomes of a call.
    pub(crate) fn fate(&mut self, call: &str, may_crash: bool) -> Fate {
        let faults = self.faults;
        if let Some(deaths) = faults.deaths {
            // To die after a call is to die before the next one.
            let dies = may_crash && deaths > 0 && self.choose(&[1, 1]) == 1;
            self.faults.deaths = Some(deaths - u32::from(dies));
            return if dies { Fate::CrashBefore } else { Fate::Fine };
        }
        let Faults { throttled, answer_lost, twice, crash, .. } = faults;
        // A calendar that cannot be read counts as closed in prod, and as open elsewhere.
        let may_be_refused =
            REFUSABLE.contains(&call) && (call != "calendar" || self.scene.environment == Environment::Prod);
        let refused = if may_be_refused { faults.refused } else { 0 };
        let (before, after) = (crash / 2, crash - crash / 2);
        let fine = 1_000_u32.saturating_sub(throttled + answer_lost + twice + refused + crash);
        let chosen = self.choose(&[fine, throttled, answer_lost, twice, refused, before, after]);
        FATES.get(chosen).copied().unwrap_or(Fate::Fine)
    }
}
