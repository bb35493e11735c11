//! Log lines over the API.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{self, KeepAlive};
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use supervisor::logs::{self, Filter};

use super::{Problem, Server};

/// Lines of one answer when nobody says how many.
const USUAL: usize = 1_000;

/// Lines of one answer at most.
const MOST: usize = 10_000;

/// A pattern that compiles to more than this is a mistake or an attack.
const LARGEST_PATTERN: usize = 1 << 20;

/// Which lines are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct LogsQuery {
    /// A service's or instance's name; left out: all but Mainstay's own processes.
    service: Option<String>,
    /// A regular expression.
    grep: Option<String>,
    /// Not older than this, in milliseconds since the Unix epoch.
    since: Option<i64>,
    /// The last so many; 1000 unless said otherwise, 10000 at most.
    limit: Option<usize>,
}

/// Lines in the order of time.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct LogsAnswer {
    /// Oldest first.
    lines: Vec<LogView>,
}

/// One line of a log.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub(crate) struct LogView {
    /// When, in microseconds since the Unix epoch.
    pub(crate) at: i64,
    /// The instance, job or process.
    pub(crate) instance: String,
    /// What it belongs to.
    pub(crate) service: String,
    /// `stdout` or `stderr`.
    pub(crate) stream: String,
    /// What it says, with its control sequences.
    pub(crate) text: String,
}

impl From<logs::LogLine> for LogView {
    fn from(line: logs::LogLine) -> Self {
        let stream = match line.stream {
            logs::Stream::Out => "stdout",
            logs::Stream::Err | logs::Stream::Sys => "stderr",
        };
        Self {
            at: line.at.as_microsecond(),
            instance: line.id,
            service: line.service,
            stream: stream.to_owned(),
            text: line.text,
        }
    }
}

/// A pattern whose size is bounded.
pub(crate) fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN).build()
}

fn read(directory: &Path, filter: &Filter) -> Result<Vec<LogView>, logs::LogsError> {
    Ok(logs::read(directory, filter)?.map(LogView::from).collect())
}

/// `GET /api/logs`
pub(super) async fn logs(
    State(server): State<Server>,
    Query(query): Query<LogsQuery>,
) -> Result<Json<LogsAnswer>, Problem> {
    let filter = query.filter()?;
    let directory: PathBuf = server.handle.logs().to_owned();
    let read = tokio::task::spawn_blocking(move || read(&directory, &filter)).await;
    match read {
        Ok(Ok(lines)) => Ok(Json(LogsAnswer { lines })),
        Ok(Err(error)) => Err(broken(&error)),
        Err(error) => Err(broken(&error)),
    }
}

/// `GET /api/logs/stream`
pub(super) async fn stream(
    State(server): State<Server>,
    Query(query): Query<LogsQuery>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let filter = query.filter()?;
    let follower = logs::follow(server.handle.logs(), filter).map_err(|error| broken(&error))?;
    let stream = stream::unfold(follower, |mut follower| async {
        // A log that cannot be read any more ends the stream; whoever reads comes back.
        let line = follower.next().await.ok()?;
        let event = sse::Event::default().event("line").json_data(LogView::from(line)).ok()?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(super::KEEP_ALIVE)))
}

impl LogsQuery {
    fn filter(&self) -> Result<Filter, Problem> {
        let grep = self.grep.as_deref().filter(|text| !text.is_empty());
        let grep = grep.map(pattern).transpose().map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "`grep` is not a regular expression")
                .detail(error.to_string())
        })?;
        let since = self
            .since
            .map(Timestamp::from_millisecond)
            .transpose()
            .map_err(|_range| Problem::new(StatusCode::BAD_REQUEST, "`since` is no time"))?;
        Ok(Filter {
            of: self.service.iter().filter(|name| !name.is_empty()).cloned().collect(),
            since,
            grep,
            limit: Some(self.limit.unwrap_or(USUAL).min(MOST)),
        })
    }
}

fn broken(error: &dyn std::error::Error) -> Problem {
    let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    match error.source() {
        Some(cause) => problem.detail(cause.to_string()),
        None => problem,
    }
}
