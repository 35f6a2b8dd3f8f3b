//! The change feed as it grows: server-sent events.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::model::history::FeedPosition;
use crate::resolver::Change;
use crate::serve::http::ask::{self, Parameters, only, parameter, work};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::limits::{HEARTBEAT_TIME, MAX_STREAMED_CHANGES, STREAM_LOOK};

/// The kind of answer that is asked for.
const EVENT_STREAM: &str = "text/event-stream";

/// What a client sends that goes on where its connection broke off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /v1/changes?since=`: what did commits change? As rows or, where the client accepts them, as server-sent events.
pub async fn changes(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, HttpRefusal> {
    let accepted = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok()).unwrap_or_default();
    if !accepted.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == EVENT_STREAM) {
        return Ok(ask::changes(State(shared), parameters).await?.into_response());
    }
    only(&parameters, &[&["since"]])?;
    let since = match headers.get(LAST_EVENT_ID).map(HeaderValue::to_str) {
        Some(Ok(last)) => Some(last.parse().map_err(|_| HttpRefusal::bad("last-event-id: not a position"))?),
        Some(Err(_)) => return Err(HttpRefusal::bad("last-event-id: not a position")),
        None => parameter::<FeedPosition>(&parameters, "since")?,
    };
    let since = since.unwrap_or(shared.feed.start());
    let room = Arc::clone(&shared.streams).try_acquire_owned();
    let room = room.map_err(|_| HttpRefusal::busy("too many clients follow the changes"))?;
    // The first are read here, where a position that is not one can still be refused.
    let first = next(&shared, since).await?;
    let (to, body) = Channel::<Bytes>::new(1);
    tokio::spawn(follow(shared, since, first, to, room));
    let kind = HeaderValue::from_static(EVENT_STREAM);
    // What buffers answers would hold changes back.
    let buffering = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([(header::CONTENT_TYPE, kind), buffering], Body::new(body)).into_response())
}

/// Sends changes as they come, until the client is gone or the collector ends. A client that reads slowly is waited for: what is held for it
/// is one piece.
async fn follow(
    shared: Arc<Shared>,
    mut since: FeedPosition,
    mut changes: Vec<Change>,
    mut to: Sender<Bytes>,
    _room: OwnedSemaphorePermit,
) {
    let mut stopping = shared.stopping.subscribe();
    let mut spoke = Instant::now();
    loop {
        let text = match changes.last() {
            Some(last) => {
                since = last.position;
                written(&changes)
            }
            None if spoke.elapsed() >= HEARTBEAT_TIME => ":\n\n".to_owned(),
            None => String::new(),
        };
        if !text.is_empty() {
            let ended = stopping.wait_for(|stopping| *stopping);
            tokio::select! {
                sent = to.send_data(text.into()) => if sent.is_err() { return },
                _ = ended => return,
            }
            spoke = Instant::now();
        }
        if timeout(STREAM_LOOK, stopping.wait_for(|stopping| *stopping)).await.is_ok() {
            return;
        }
        changes = match shared.feed.position() == since {
            true => Vec::new(),
            // What cannot be read is told to the client when it asks again.
            false => match next(&shared, since).await {
                Ok(changes) => changes,
                Err(_) => return,
            },
        };
    }
}

async fn next(shared: &Arc<Shared>, since: FeedPosition) -> Result<Vec<Change>, HttpRefusal> {
    let read = move |shared: &Shared| {
        let changes = shared.feed.changes(since)?.take(MAX_STREAMED_CHANGES);
        Ok(changes.collect::<Result<Vec<Change>, _>>()?)
    };
    work(Arc::clone(shared), read).await
}

/// Changes as events, each with its position as the id: where to go on.
fn written(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes {
        let data = serde_json::to_string(change).unwrap_or_default();
        let _ = write!(text, "id: {}\nevent: change\ndata: {data}\n\n", change.position);
    }
    text
}
