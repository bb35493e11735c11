//! The HTTP surface: routes, and what happens around every request.

pub mod auth;
pub mod health;
pub mod progress;
pub mod reconciliations;
pub mod trace;

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
    let uploads = Router::new()
        .route("/api/reconciliations", post(reconciliations::create).get(reconciliations::list))
        .layer(DefaultBodyLimit::max(reconciliations::UPLOAD_LIMIT));
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
    uploads
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
