//! What the platform asks: alive, ready, numbers, description.
//!
//! An instance is ready once it has reached all three of its servers. Afterwards the primary and
//! Redis may be away for a moment, because they are the same for every instance: taking all of them
//! out while a database restarts turns a second of failing writes into an outage. The replica may
//! be away for longer: reads then go to the primary.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::App;

const TIMEOUT: Duration = Duration::from_secs(1);
/// How long the primary or Redis may be away from an instance that was ready.
const GRACE: Duration = Duration::from_secs(10);

/// When each server answered last.
#[derive(Default)]
pub struct Seen {
    primary: Mutex<Option<Instant>>,
    replica: Mutex<Option<Instant>>,
    redis: Mutex<Option<Instant>>,
}

pub async fn health() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

pub async fn ready(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (primary, replica, redis) = tokio::join!(
        ask(app.database.ping_primary(), &app.seen.primary, GRACE),
        ask(app.database.ping_replica(), &app.seen.replica, Duration::MAX),
        ask(app.cache.ping(), &app.seen.redis, GRACE),
    );
    let ready = primary.counts && replica.counts && redis.counts;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "primary": primary.words,
        "replica": replica.words,
        "redis": redis.words,
    });
    (status, Json(body))
}

pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}

pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("../../openapi.json"))
}

struct Answer {
    counts: bool,
    words: String,
}

async fn ask<E: std::fmt::Display>(
    question: impl Future<Output = Result<(), E>>,
    seen: &Mutex<Option<Instant>>,
    grace: Duration,
) -> Answer {
    let reason = match timeout(TIMEOUT, question).await {
        Ok(Ok(())) => {
            *seen.lock().expect("nothing panics while it holds the lock") = Some(Instant::now());
            return Answer { counts: true, words: "ok".to_owned() };
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within a second".to_owned(),
    };
    let seen = *seen.lock().expect("nothing panics while it holds the lock");
    let counts = seen.is_some_and(|instant| instant.elapsed() < grace);
    Answer { counts, words: format!("unreachable: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_the_endpoints_and_answers_that_exist() {
        let description: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
        let source = include_str!("../http.rs");
        let paths = description["paths"].as_object().unwrap();
        for path in paths.keys() {
            assert!(source.contains(&format!(".route(\"{path}\"")), "{path} is not routed");
        }
        for path in source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(paths.contains_key(path), "{path} is not described");
        }
    }

    #[tokio::test]
    async fn a_server_counts_once_it_was_seen_and_for_as_long_as_its_grace() {
        let seen = Mutex::new(None);
        let up = || async { Ok::<(), &str>(()) };
        let down = || async { Err::<(), &str>("refused") };
        assert!(!ask(down(), &seen, GRACE).await.counts);
        assert!(ask(up(), &seen, GRACE).await.counts);
        assert!(ask(down(), &seen, GRACE).await.counts);
        assert!(!ask(down(), &seen, Duration::ZERO).await.counts);
    }
}
