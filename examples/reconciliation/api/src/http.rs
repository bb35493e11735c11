//! The HTTP surface: routes, and what happens around every request.

pub mod auth;
pub mod health;
pub mod progress;
pub mod reconciliations;
pub mod trace;
pub mod uploads;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use crate::App;
use crate::log;
use crate::problem::Problem;

/// A body that is not an upload is a few lines of JSON.
const BODY_LIMIT: usize = 64 * 1024;

pub fn router(app: Arc<App>) -> Router {
    let large = Router::new()
        .route("/api/reconciliations", post(uploads::create).get(reconciliations::list))
        .layer(DefaultBodyLimit::max(uploads::LIMIT));
    let others = Router::new()
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::logout))
        .route("/api/reconciliations/{id}", get(reconciliations::show))
        .route("/api/reconciliations/{id}/lines", get(reconciliations::lines))
        .route("/api/reconciliations/{id}/resolve", post(reconciliations::resolve))
        .route("/api/reconciliations/{id}/progress", get(progress::watch))
        .route("/api/health", get(health::health))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(health::openapi))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    large
        .merge(others)
        .fallback(async || Problem::not_found("there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here")
        })
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// Traces, counts and logs a request.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let trace = trace::id(request.headers().get("traceparent"));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // The pattern, not the path: one series per route, whatever strangers ask for.
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());

    log::with_trace(trace.clone(), async {
        let mut response = next.run(request).await;
        let status = response.status();
        let labels = [method.as_str(), route.as_deref().unwrap_or("none"), status.as_str()];
        app.metrics.http_requests.with_label_values(&labels).inc();
        // Probes and scrapes, several a second, say something only when they fail.
        if path.starts_with("/api/") || status.is_server_error() {
            let fields = [
                ("method", method.as_str().into()),
                ("path", path.into()),
                ("status", status.as_u16().into()),
                ("milliseconds", (started.elapsed().as_micros() as f64 / 1000.0).into()),
            ];
            log::info("request", &fields);
        }
        let header = HeaderValue::from_str(&trace).expect("hexadecimal digits");
        response.headers_mut().insert("x-trace-id", header);
        response
    })
    .await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tokio::sync::watch;
    use tower::ServiceExt;

    use super::*;
    use crate::config;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// An application none of whose servers can be reached.
    fn app() -> Arc<App> {
        let lookup = |name: &str| {
            let value = match name {
                "DATABASE_URL" | "DATABASE_READ_URL" => "postgres://nobody@127.0.0.1:1/none",
                "REDIS_URL" => "redis://127.0.0.1:1",
                "JWT_SECRET" => "0123456789abcdef0123456789abcdef",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = config::parse(&lookup).unwrap();
        let (_, stopping) = watch::channel(false);
        Arc::new(App::new(&config, stopping).unwrap())
    }

    /// The status and the JSON that a request is answered with.
    async fn check(method: &str, path: &str, body: &str, status: u16) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = router(app()).oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()["x-trace-id"], TRACE);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn the_process_is_alive_without_its_servers_and_not_ready() {
        check("GET", "/health", "", 200).await;
        let body = check("GET", "/ready", "", 503).await;
        for server in ["primary", "replica", "redis"] {
            assert!(body[server].as_str().unwrap().starts_with("unreachable: "), "{body}");
        }
    }

    #[tokio::test]
    async fn whatever_is_wrong_is_answered_with_its_reason_in_json() {
        let long = format!("{{\"email\": \"{}\"}}", "x".repeat(BODY_LIMIT));
        for (method, path, body, status) in [
            ("GET", "/nothing", "", 404),
            ("DELETE", "/api/auth/login", "", 405),
            ("POST", "/api/auth/login", "{", 400),
            ("POST", "/api/auth/login", "{}", 422),
            ("POST", "/api/auth/login", &long, 413),
            ("POST", "/api/auth/login", r#"{"email": "a\u0000", "password": ""}"#, 401),
            ("POST", "/api/auth/login", r#"{"email": "a", "password": "b"}"#, 503),
            ("GET", "/api/reconciliations", "", 401),
            ("GET", "/api/reconciliations/seven/progress", "", 400),
            ("GET", "/api/reconciliations/7/lines?state=lost", "", 401),
        ] {
            let answer = check(method, path, body, status).await;
            assert!(answer["error"].is_string(), "{method} {path}: {answer}");
        }
    }
}
