//! Why a request is not served, as it is answered.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::model::error::{Error, ErrorKind};
use crate::serve::limits::RETRY_AFTER;
use crate::serve::log::AppendError;

/// Why a request is not served: `{"error":…,"message":…}`, with what the status is called and what was wrong.
#[derive(Debug)]
pub struct HttpRefusal {
    status: StatusCode,
    message: String,
}

#[derive(Serialize)]
struct RefusalBody<'a> {
    error: &'a str,
    message: &'a str,
}

impl HttpRefusal {
    /// A refusal with that status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What was sent cannot be read.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such thing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// There is no room at the moment.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// It is more than is read.
    pub fn too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("at most {most} bytes are read: send fewer activities at once"),
        )
    }

    /// Work that broke off.
    pub fn defect() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "a thread broke off: this is a defect")
    }
}

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response {
        let error = self.status.canonical_reason().unwrap_or_default();
        let mut response = (self.status, Json(RefusalBody { error, message: &self.message })).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AppendError> for HttpRefusal {
    fn from(error: AppendError) -> Self {
        Self::busy(error.to_string())
    }
}

impl From<Error> for HttpRefusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Argument | ErrorKind::Ahead | ErrorKind::OtherEpoch => StatusCode::BAD_REQUEST,
            ErrorKind::Trimmed | ErrorKind::Forgotten => StatusCode::GONE,
            ErrorKind::NoSpace | ErrorKind::Poisoned => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("{error:?}"))
    }
}
