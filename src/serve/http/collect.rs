//! `POST /:key`: activities come in.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::time::Time;
use crate::serve::activities::{RejectedItem, Taken};
use crate::serve::http::body::{self, HeldBody};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::keys::{KeyFound, TrackerKey};
use crate::serve::limits::{PREFLIGHT_SECONDS, SHORT_BODY_BYTES, VISIBLE_TIME};
use crate::serve::log::LogPosition;

/// The answer to activities that are all on the disk. The SDK expects profiles, of which there are none.
#[derive(Serialize)]
struct Collected {
    profiles: NoProfiles,
    /// Only where it was waited for: whether questions see them already.
    #[serde(skip_serializing_if = "Option::is_none")]
    visible: Option<bool>,
}

#[derive(Serialize)]
struct NoProfiles {}

/// The answer where some were not taken. The others are on the disk.
#[derive(Serialize)]
struct PartlyCollected {
    error: &'static str,
    message: String,
    accepted: usize,
    rejected: Vec<RejectedItem>,
}

/// A browser asks whether a page may send.
pub async fn preflight(State(shared): State<Arc<Shared>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let key = shared.keys.get(&key);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let admitted = !matches!(&key, KeyFound::Known(key) if !admits(key, &headers));
    if admitted {
        allow_origin(&headers, &mut response);
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
        if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
    }
    response
}

/// Takes an activity or an array of them. Answers when they are on the disk.
pub async fn collect(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let wait = query.is_some_and(|query| query.split('&').any(|part| part == "wait=1"));
    let outcome = match shared.keys.get(&key) {
        KeyFound::NotValid => Err(HttpRefusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Tracker key not valid")),
        KeyFound::Unknown => Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, "Unknown tracker key")),
        KeyFound::Known(key) if !admits(key, &parts.headers) => {
            return HttpRefusal::new(StatusCode::FORBIDDEN, "pages of this origin may not send with this key")
                .into_response();
        }
        KeyFound::Known(key) => take(&shared, key, &parts.headers, body, wait).await,
    };
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    // Without it the page could not even read what was wrong.
    allow_origin(&parts.headers, &mut response);
    response
}

async fn take(
    shared: &Arc<Shared>,
    key: &TrackerKey,
    headers: &HeaderMap,
    body: Body,
    wait: bool,
) -> Result<Response, HttpRefusal> {
    let too_many = || HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests of this key at once");
    let _request = key.request().ok_or_else(too_many)?;
    body::check_encoding(headers)?;
    let body = body::read(headers, body, &shared.body_room).await?;
    let admission = shared.admission.read().await;
    let Taken { lines, accepted, suppressed, rejected } = screened(shared, body).await?;
    let bytes = lines.len() as u64;
    let mut place = None;
    if accepted > suppressed {
        let (tell, told) = oneshot::channel();
        // The client may be gone by then.
        shared.log.append(lines, move |outcome| drop(tell.send(outcome)))?;
        drop(admission);
        place = Some(told.await.map_err(|_| HttpRefusal::defect())??);
    }
    shared.metrics.suppressed.add(suppressed as u64);
    shared.metrics.accepted.add(accepted as u64);
    shared.metrics.rejected.add(rejected.len() as u64);
    shared.metrics.log_bytes.add(bytes);
    let visible = match place.filter(|_| wait) {
        Some(place) => Some(is_visible(shared, place).await),
        None => None,
    };
    if rejected.is_empty() {
        return Ok(
            Json(Collected { profiles: NoProfiles {}, visible: visible.filter(|visible| !visible) }).into_response()
        );
    }
    let all = accepted + rejected.len();
    let message = format!("not taken: {} of {all} activities; the others are stored", rejected.len());
    let answer = PartlyCollected { error: "Bad Request", message, accepted, rejected };
    Ok((StatusCode::BAD_REQUEST, Json(answer)).into_response())
}

/// What is in a body; a long one is looked through by a thread that holds nobody up.
async fn screened(shared: &Arc<Shared>, body: HeldBody) -> Result<Taken, HttpRefusal> {
    let is_short = body.bytes.len() <= SHORT_BODY_BYTES && !body.is_packed();
    let shared = Arc::clone(shared);
    let screen = move || {
        let body = body.unpacked()?;
        shared.screen.take(&body.bytes, Time::from(SystemTime::now())).map_err(HttpRefusal::bad)
    };
    match is_short {
        true => screen(),
        false => tokio::task::spawn_blocking(screen).await.map_err(|_| HttpRefusal::defect())?,
    }
}

/// Waits until questions see what stands before `place`.
async fn is_visible(shared: &Shared, place: LogPosition) -> bool {
    shared.hurry.ask();
    let mut visible = shared.visible.clone();
    let seen = timeout(VISIBLE_TIME, visible.wait_for(|seen| *seen >= place)).await;
    seen.is_ok_and(|seen| seen.is_ok())
}

/// Whether the key admits the page that a request comes from; what is not a page names no origin, and is admitted.
fn admits(key: &TrackerKey, headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(|origin| key.admits(origin)))
}

/// Lets the page that asks read the answer.
fn allow_origin(headers: &HeaderMap, response: &mut Response) {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // Beacons are sent with cookies, of which there are none.
        // Without this a page cannot read how long it is to wait.
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.insert(HeaderName::from_static("vary"), HeaderValue::from_static("origin"));
    }
}
