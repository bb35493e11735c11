//! JSON lines on standard output, each with the trace that it belongs to.

use std::future::Future;
use std::io::Write;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{
    Config, EncodedConfig, Iso8601, TimePrecision,
};

tokio::task_local! {
    static TRACE: String;
}

/// Milliseconds are what a reader compares.
const TIME: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second { decimal_digits: std::num::NonZeroU8::new(3) })
    .encode();

/// A name and a value of a log line.
pub type Field<'a> = (&'a str, Value);

/// Runs `work`; every line that it logs carries `trace`.
pub async fn with_trace<F: Future>(trace: String, work: F) -> F::Output {
    TRACE.scope(trace, work).await
}

/// The trace id of the request or run that is being worked on, if any.
pub fn trace() -> Option<String> {
    TRACE.try_with(Clone::clone).ok()
}

pub fn info(message: &str, fields: &[Field]) {
    write("info", message, fields);
}

pub fn warn(message: &str, fields: &[Field]) {
    write("warn", message, fields);
}

pub fn error(message: &str, fields: &[Field]) {
    write("error", message, fields);
}

fn write(level: &str, message: &str, fields: &[Field]) {
    let mut line = Map::new();
    let now =
        OffsetDateTime::now_utc().format(&Iso8601::<TIME>).expect("the present can be written");
    line.insert("time".to_owned(), now.into());
    line.insert("level".to_owned(), level.into());
    line.insert("message".to_owned(), message.into());
    if let Some(trace) = trace() {
        line.insert("trace_id".to_owned(), trace.into());
    }
    for (name, value) in fields {
        line.insert((*name).to_owned(), value.clone());
    }
    let text = Value::Object(line).to_string() + "\n";
    // Whoever read the log is gone; the requests are not.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
