//! What can be asked of control over the API, each as one small handler.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use control::{Answer, AppStatus, Event, Request, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, Server};

const USUAL_EVENTS: u32 = 200;
const MOST_EVENTS: u32 = 5_000;
const USUAL_WINDOW: u32 = 900;

/// `GET /api/status`
pub(super) async fn status(State(server): State<Server>) -> Json<AppStatus> {
    let status = server.handle.status().borrow().as_ref().clone();
    Json(status)
}

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct EventsQuery {
    /// Only those with a greater id.
    after: Option<i64>,
    /// The newest so many; 200 unless said otherwise, 5000 at most.
    limit: Option<u32>,
}

/// Events in order.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct EventsAnswer {
    /// Oldest first.
    events: Vec<Event>,
}

/// `GET /api/events`
pub(super) async fn events(
    State(server): State<Server>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<EventsAnswer>, Problem> {
    let limit = query.limit.unwrap_or(USUAL_EVENTS).min(MOST_EVENTS);
    let events = server
        .handle
        .events(query.after.unwrap_or(0), limit)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Json(EventsAnswer { events }))
}

/// Which samples are wanted.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SamplesQuery {
    /// `requests_per_second`, `errors_per_second`, `p95_ms`, `cpu_millis` or `memory_bytes`.
    metric: String,
    /// Seconds back from now; 900 unless said otherwise, 3600 at most.
    window: Option<u32>,
}

/// Samples by series.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct SamplesAnswer {
    /// One for each route or instance.
    series: Vec<Series>,
}

/// `GET /api/samples`
pub(super) async fn samples(
    State(server): State<Server>,
    Query(query): Query<SamplesQuery>,
) -> Json<SamplesAnswer> {
    let window = query.window.unwrap_or(USUAL_WINDOW).min(3_600);
    Json(SamplesAnswer { series: server.handle.samples(&query.metric, window) })
}

/// The token of the run, as it stands in the console's address.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SessionRequest {
    token: String,
}

/// `POST /api/session`
pub(super) async fn session(
    State(server): State<Server>,
    Json(request): Json<SessionRequest>,
) -> Result<Response, Problem> {
    if !server.session.accepts(&request.token) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "the token is not that of this run"));
    }
    let cookie = HeaderValue::from_str(&server.session.cookie())
        .expect("a cookie of hexadecimal digits is a valid header");
    Ok(([(header::SET_COOKIE, cookie)], Json(Done::new("the session has begun"))).into_response())
}

/// What was done.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Done {
    /// One line.
    text: String,
}

impl Done {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

/// Where the console of this run is.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub(crate) struct ConsoleAddress {
    /// With the token; whoever has it controls the application.
    pub(crate) url: String,
}

/// `GET /api/console`
pub(super) async fn console(State(server): State<Server>) -> Json<ConsoleAddress> {
    Json(ConsoleAddress { url: server.session.url() })
}

/// `POST /api/restart/{service}`
pub(super) async fn restart(
    State(server): State<Server>,
    Path(service): Path<String>,
) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::Restart { service }).await
}

/// `POST /api/run/{job}`
pub(super) async fn run(
    State(server): State<Server>,
    Path(job): Path<String>,
) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::Run { job }).await
}

/// `POST /api/down`
pub(super) async fn down(State(server): State<Server>) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::Down).await
}

/// `POST /api/reload`
pub(super) async fn reload(State(server): State<Server>) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::Reload).await
}

/// Which database is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct DatabaseQuery {
    /// Left out: the only one that has migrations.
    database: Option<String>,
}

/// `GET /api/migrations`
pub(super) async fn migrations(
    State(server): State<Server>,
    Query(query): Query<DatabaseQuery>,
) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::MigrationStatus { database: query.database }).await
}

/// Which migrations are applied or undone.
#[derive(Debug, Default, Deserialize, JsonSchema, Serialize)]
pub(crate) struct MigrateRequest {
    /// Left out: the only one that has migrations.
    #[serde(default)]
    pub(crate) database: Option<String>,
    /// How many are undone; 1 when left out.
    #[serde(default)]
    pub(crate) count: Option<u32>,
    /// Says what would be done and does nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// `POST /api/migrations/up`
pub(super) async fn migrate_up(
    State(server): State<Server>,
    Json(request): Json<MigrateRequest>,
) -> Result<Json<Answer>, Problem> {
    let MigrateRequest { database, dry_run, .. } = request;
    ask(&server, Request::MigrateUp { database, dry_run }).await
}

/// `POST /api/migrations/down`
pub(super) async fn migrate_down(
    State(server): State<Server>,
    Json(request): Json<MigrateRequest>,
) -> Result<Json<Answer>, Problem> {
    let MigrateRequest { database, count, dry_run } = request;
    ask(&server, Request::MigrateDown { database, count: count.unwrap_or(1), dry_run }).await
}

/// `POST /api/connect/{name}`
pub(super) async fn connect(
    State(server): State<Server>,
    Path(name): Path<String>,
) -> Result<Json<Answer>, Problem> {
    ask(&server, Request::Connect { name }).await
}

async fn ask(server: &Server, request: Request) -> Result<Json<Answer>, Problem> {
    server.handle.request(request).await.map(Json).map_err(Problem::from)
}
