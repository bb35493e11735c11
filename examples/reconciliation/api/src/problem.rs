//! Errors as the API answers them: `{"error": …}`, and `line` where a file is wrong.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::database::DatabaseError;
use crate::log;
use crate::statement::Mistake;

pub struct Problem {
    status: StatusCode,
    body: Value,
}

impl Problem {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "error": message.into() }) }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn conflict(message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// A mistake in the uploaded file called `file`.
    pub fn unreadable_file(file: &str, mistake: &Mistake) -> Self {
        let message = format!("{file}, line {}: {}", mistake.line, mistake.message);
        let body = json!({ "error": message, "file": file, "line": mistake.line });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body }
    }

    pub fn is_server_error(&self) -> bool {
        self.status.is_server_error()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// The reason goes to the log; a stranger learns only what to do.
impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        log::error("database failed", &[("reason", error.to_string().into())]);
        if error.is_about_the_server() {
            let message = "the database does not answer, try again";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<redis::RedisError> for Problem {
    fn from(error: redis::RedisError) -> Self {
        log::error("redis failed", &[("reason", error.to_string().into())]);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the session store does not answer, try again")
    }
}
