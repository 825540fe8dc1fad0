//! What a function says about each event: one line in the log, and metrics for alarms and dashboards.
//!
//! Metrics go out as CloudWatch's embedded metric format, so they cost no call.

use std::io;

use mend_core::decision::Verdict;
use mend_core::mode::Environment;
use mend_responder::{Answer, Reconciled};
use metrics::{counter, gauge};
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde::Serialize;
use tracing::{error, field, info, warn};

/// What a handler answers.
pub trait Tell: Serialize {
    /// Says in the log what came of the event, and counts it.
    fn tell(&self, correlation_id: Option<&str>);
}

impl Tell for Answer {
    /// Somebody should look at what was rejected: AWS sends no such events.
    fn tell(&self, correlation_id: Option<&str>) {
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    correlation_id,
                    decision = %self.decision,
                    incident.id = self.incident,
                    opsitem.id = self.ops_item.as_ref().map(field::display),
                    execution.id = self.execution.as_ref().map(field::display),
                    "{}",
                    sentence(self)
                )
            };
        }
        if self.decision == Verdict::Reject {
            line!(warn);
        } else {
            line!(info);
        }
        if let Some(metric) = counted(self.decision) {
            for reason in self.reasons.iter().filter(|reason| reason.is_why_not()) {
                counter!(metric, "Reason" => reason.name()).increment(1);
            }
        }
    }
}

/// Whatever is not answered is counted, by its reasons.
const fn counted(decision: Verdict) -> Option<&'static str> {
    match decision {
        Verdict::Suppress => Some("Suppressed"),
        Verdict::Defer => Some("Deferred"),
        Verdict::Ignore => Some("Ignored"),
        Verdict::Reject => Some("Rejected"),
        Verdict::Respond | Verdict::Resolve => None,
    }
}

impl Tell for Reconciled {
    /// The heart beats for a run that met nothing that it could not look at: its silence is an alarm.
    fn tell(&self, correlation_id: Option<&str>) {
        for answer in &self.answers {
            answer.tell(correlation_id);
        }
        if self.failures.is_empty() {
            info!(correlation_id, "reconcile: {self}");
        } else {
            error!(correlation_id, "reconcile: {self}");
        }
        if !self.elsewhere && self.failures.is_empty() {
            counter!("Heartbeat").increment(1);
        }
        if let Some(open) = self.open {
            gauge!("OpenIncidents").set(f64::from(u32::try_from(open).unwrap_or(u32::MAX)));
        }
    }
}

/// Where the metrics of this function go.
pub(crate) fn metrics(environment: Environment) -> Result<&'static Collector, metrics_cloudwatch_embedded::Error> {
    Builder::new().cloudwatch_namespace("Mend").with_dimension("Environment", environment.to_string()).init()
}

/// Writes out what was counted. Who cannot write to the log has no way to say so.
pub(crate) fn flush(metrics: &Collector) {
    let _ = metrics.flush(io::stdout().lock());
}

/// The answer as a person would say it.
fn sentence(answer: &Answer) -> String {
    let reasons: Vec<_> = answer.reasons.iter().map(ToString::to_string).collect();
    format!("{}: {}", answer.decision, reasons.join("; "))
}
