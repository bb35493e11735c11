//! Errors as the API answers them: `{"error": …}`, and `line` where a file is wrong.

use std::fmt::Display;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::database::DatabaseError;
use crate::log;
use crate::statement::Mistake;

pub struct Problem {
    status: StatusCode,
    body: Value,
}

/// An extractor of axum whose refusal is a [`Problem`] instead of plain text.
pub struct Checked<E>(pub E);

/// A JSON body whose refusal is a [`Problem`].
pub struct CheckedJson<T>(pub T);

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

impl<S, E> FromRequestParts<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
    E::Rejection: Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match E::from_request_parts(parts, state).await {
            Ok(extracted) => Ok(Self(extracted)),
            Err(rejection) => Err(Problem::bad_request(rejection.to_string())),
        }
    }
}

impl<S, T> FromRequest<S> for CheckedJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            // The status tells a body that is too large or of another type from a wrong one.
            Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
        }
    }
}
