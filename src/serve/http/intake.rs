//! Activities come in, in whatever protocol: whose key is it, what is in the body, and is it on the disk?

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::time::Time;
use crate::serve::activities::{Brings, RejectedItem, Screen, Taken};
use crate::serve::http::body::HeldBody;
use crate::serve::http::cors;
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::keys::{KeyFound, KeyRequest, StoreNamespaces, TrackerKey};
use crate::serve::limits::{SHORT_BODY_BYTES, VISIBLE_TIME};
use crate::serve::log::LogPosition;

/// The answer where some were not taken. The others are on the disk.
#[derive(Serialize)]
struct PartlyCollected {
    error: &'static str,
    message: String,
    accepted: usize,
    rejected: Vec<RejectedItem>,
}

/// What became of the activities of a request.
pub struct Accepted {
    /// How many are on the disk, or need not be.
    accepted: usize,
    rejected: Vec<RejectedItem>,
    /// Only where it was waited for: whether questions see them already.
    pub visible: Option<bool>,
}

/// Whether the answer is to come when questions see what was sent.
pub fn waits(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part == "wait=1"))
}

/// The key that a request came with, if it is one, and admits the page that sends.
pub fn known_key<'s>(shared: &'s Shared, key: &str, headers: &HeaderMap) -> Result<&'s TrackerKey, HttpRefusal> {
    match shared.keys.get(key) {
        KeyFound::NotValid => Err(HttpRefusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Tracker key not valid")),
        KeyFound::Unknown => Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, "Unknown tracker key")),
        KeyFound::Known(key) if !cors::admits(key, headers) => {
            Err(HttpRefusal::new(StatusCode::FORBIDDEN, "pages of this origin may not send with this key"))
        }
        KeyFound::Known(key) => Ok(key),
    }
}

/// Room for a request of the key.
pub fn room_for(key: &TrackerKey) -> Result<KeyRequest<'_>, HttpRefusal> {
    let too_many = || HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests of this key at once");
    key.request().ok_or_else(too_many)
}

/// An answer that the page which sent can read: without that it could not even tell what was wrong. One of another origin than the key's may not.
pub fn readable(headers: &HeaderMap, outcome: Result<Response, HttpRefusal>) -> Response {
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    if response.status() != StatusCode::FORBIDDEN {
        cors::allow_origin(headers, &mut response);
    }
    response
}

/// Takes what `screen` finds in a body. Returns when it is on the disk.
pub async fn accept(
    shared: &Arc<Shared>,
    key: &str,
    body: HeldBody,
    wait: bool,
    screen: impl FnOnce(&Screen, &[u8], Time, Brings<'_>) -> Result<Taken, String> + Send + 'static,
) -> Result<Accepted, HttpRefusal> {
    let admission = shared.admission.read().await;
    let Taken { lines, accepted, suppressed, rejected } = screened(shared, key, body, screen).await?;
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
    Ok(Accepted { accepted, rejected, visible })
}

/// The answer: `whole` where nothing was rejected.
pub fn answered(outcome: Accepted, whole: impl Serialize) -> Response {
    let Accepted { accepted, rejected, .. } = outcome;
    if rejected.is_empty() {
        return Json(whole).into_response();
    }
    let all = accepted + rejected.len();
    let message = format!("not taken: {} of {all} activities; the others are stored", rejected.len());
    let answer = PartlyCollected { error: "Bad Request", message, accepted, rejected };
    (StatusCode::BAD_REQUEST, Json(answer)).into_response()
}

/// What is in a body; a long one is looked through by a thread that holds nobody up.
async fn screened(
    shared: &Arc<Shared>,
    key: &str,
    body: HeldBody,
    screen: impl FnOnce(&Screen, &[u8], Time, Brings<'_>) -> Result<Taken, String> + Send + 'static,
) -> Result<Taken, HttpRefusal> {
    let is_short = body.bytes.len() <= SHORT_BODY_BYTES && !body.is_packed();
    let (shared, key) = (Arc::clone(shared), key.to_owned());
    let work = move || {
        let body = body.unpacked()?;
        let look = |name: &str| {
            let view = shared.resolver.view();
            StoreNamespaces { has_it: view.namespaces().get(name).is_some(), count: view.namespaces().len() }
        };
        let brings = |name: &str| match shared.keys.get(&key) {
            KeyFound::Known(key) => key.brings(name, || look(name)),
            KeyFound::Unknown | KeyFound::NotValid => false,
        };
        screen(&shared.screen, &body.bytes, Time::from(SystemTime::now()), &brings).map_err(HttpRefusal::bad)
    };
    match is_short {
        true => work(),
        false => tokio::task::spawn_blocking(work).await.map_err(|_| HttpRefusal::defect())?,
    }
}

/// Waits until questions see what stands before `place`.
async fn is_visible(shared: &Shared, place: LogPosition) -> bool {
    shared.hurry.ask();
    let mut visible = shared.visible.clone();
    let seen = timeout(VISIBLE_TIME, visible.wait_for(|seen| *seen >= place)).await;
    seen.is_ok_and(|seen| seen.is_ok())
}
