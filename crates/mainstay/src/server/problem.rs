//! RFC 9457 problem details: how every failed request is answered, and read by the command line.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use control::{Refusal, RefusalKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a request was not carried out.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub(crate) struct Problem {
    /// The HTTP status again.
    pub(crate) status: u16,
    /// A lowercase fragment that says what is wrong.
    pub(crate) title: String,
    /// More lines, joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// An imperative sentence that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
    /// What kind of refusal it is, where control refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<RefusalKind>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: impl Into<String>) -> Self {
        let (status, title) = (status.as_u16(), title.into());
        Self { status, title, detail: None, help: None, kind: None }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Unknown => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Failed => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status: status.as_u16(),
            title: refusal.title,
            detail: (!refusal.detail.is_empty()).then(|| refusal.detail.join("\n")),
            help: refusal.help,
            kind: Some(refusal.kind),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
