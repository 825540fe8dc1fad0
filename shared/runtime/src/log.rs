//! Logs: flat JSON, one object a line, with the key names of Powertools for AWS Lambda, so that people's
//! queries work.

use std::fmt::Debug;
use std::io::Write;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use mend_aws::SystemClock;
use mend_responder::world::Clock;

/// Logs to standard output from here on. `level` is Lambda's `AWS_LAMBDA_LOG_LEVEL`; INFO without it.
pub(crate) fn begin(service: String, level: Option<&str>) {
    let level = match level.map(str::to_ascii_uppercase).as_deref() {
        Some("TRACE") => LevelFilter::TRACE,
        Some("DEBUG") => LevelFilter::DEBUG,
        Some("WARN") => LevelFilter::WARN,
        Some("ERROR" | "FATAL") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let layer = JsonLines { service };
    // A second start in one process keeps the first one's logs.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(layer.with_filter(level)));
}

struct JsonLines {
    service: String,
}

/// A span's fields, for the lines within it.
struct SpanFields(Map<String, Value>);

impl<S: Subscriber + for<'lookup> LookupSpan<'lookup>> Layer<S> for JsonLines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(SpanFields(known)) = span.extensions_mut().get_mut()
        {
            known.extend(fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::from_iter([
            ("level".to_owned(), json!(event.metadata().level().as_str())),
            ("timestamp".to_owned(), json!(SystemClock.now().precise())),
            ("service".to_owned(), json!(self.service)),
        ]);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(SpanFields(fields)) = span.extensions().get() {
                line.extend(fields.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.extend(fields.0);
        // Where standard output is gone there is nobody left to tell.
        let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(line));
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // The runtime's own names for them, in Powertools' spelling.
        let name = match field.name() {
            "requestId" => "function_request_id",
            "xrayTraceId" => "xray_trace_id",
            name => name,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }
}
