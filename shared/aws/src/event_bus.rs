//! Events on Mend's own bus.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use mend_core::incident::Change;
use mend_core::report::MendEvent;
use mend_responder::CallError;
use mend_responder::world::EventBus;
use metrics::counter;
use thiserror::Error;

use crate::Aws;
use crate::failure::{failure, passes};

/// EventBridge took the request, and not the event.
#[derive(Debug, Error)]
#[error("EventBridge refused the event: {code}")]
struct Refused {
    code: String,
}

impl<C> EventBus for Aws<C> {
    async fn put(&self, event: &MendEvent) -> Result<(), CallError> {
        let attempted = || format!("put \"{}\" on the bus {}", event.detail_type, self.names.event_bus);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.names.event_bus)
            .source(MendEvent::SOURCE)
            .detail_type(&event.detail_type)
            .set_resources(Some(event.resources.clone()))
            .detail(event.detail.to_string())
            .build();
        let answer = self
            .clients
            .eventbridge
            .put_events()
            .entries(entry)
            .send()
            .await
            .map_err(|error| failure(attempted(), REMEDY, error))?;
        match answer.entries().iter().find_map(|entry| entry.error_code()) {
            None => {
                if event.change == Change::Escalated {
                    // Counted where it is told, so that no failure around it hides it from the alarm.
                    counter!("Escalations").increment(1);
                }
                Ok(())
            }
            Some(code) if passes(code) => {
                Err(CallError::retryable(attempted(), Refused { code: code.to_owned() }))
            }
            Some(code) => Err(CallError::lasting(attempted(), REMEDY, Refused { code: code.to_owned() })),
        }
    }
}

const REMEDY: &str = "check that the bus exists and that its policy lets the function's role put events";
