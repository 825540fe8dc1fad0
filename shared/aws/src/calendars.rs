//! Change calendars.

use aws_sdk_ssm::operation::get_calendar_state::GetCalendarStateOutput;
use aws_sdk_ssm::types::CalendarState as State;
use mend_core::automation::CalendarName;
use mend_core::calendar::CalendarState;
use mend_core::time::Timestamp;
use mend_responder::world::{Calendars, Clock};
use mend_responder::{CallError, chain};
use tracing::warn;

use crate::Aws;
use crate::failure::failure;

impl<C: Clock> Calendars for Aws<C> {
    async fn calendar(&self) -> Result<Option<CalendarState>, CallError> {
        if self.names.calendars.is_empty() {
            return Ok(None);
        }
        if let Some(state) = self.calendar.get(&(), self.now()) {
            return Ok(Some(state));
        }
        let asked_at = self.now();
        let names: Vec<_> = self.names.calendars.iter().map(CalendarName::to_string).collect();
        let attempted = format!("read the state of the change calendars {}", names.join(", "));
        let answer = self.clients.ssm.get_calendar_state().set_calendar_names(Some(names)).send().await;
        let state = match answer.map_err(|error| failure(attempted, REMEDY, error)) {
            Ok(answer) => state(&answer),
            Err(CallError::Retryable(error)) => return Err(error.into()),
            Err(CallError::Final(error)) => {
                warn!("{}", chain(&error));
                CalendarState::Unreadable
            }
        };
        if state != CalendarState::Unreadable {
            self.calendar.put((), asked_at, state);
        }
        Ok(Some(state))
    }
}

fn state(answer: &GetCalendarStateOutput) -> CalendarState {
    let until = answer.next_transition_time().and_then(|time| Timestamp::parse(time).ok());
    match answer.state().map(State::as_str) {
        Some("OPEN") => CalendarState::Open { until },
        Some("CLOSED") => CalendarState::Closed { until },
        // What AWS may say one day.
        Some(_) | None => CalendarState::Unreadable,
    }
}

const REMEDY: &str = "check that the stack's parameter ChangeCalendars names calendars that exist, and that the function's role may call ssm:GetCalendarState on them";
