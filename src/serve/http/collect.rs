//! `POST /:key`: activities come in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::serve::activities::{Brings, Screen};
use crate::serve::http::body;
use crate::serve::http::cors;
use crate::serve::http::intake::{accept, answered, known_key, readable, room_for, waits};
use crate::serve::http::shared::Shared;
use crate::serve::http::vendors;
use crate::serve::keys::KeyFound;
use crate::serve::segment::SegmentCall;

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

/// A browser asks whether a page may send.
pub async fn preflight(State(shared): State<Arc<Shared>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let key = shared.keys.get(&key);
    let mut response = StatusCode::NO_CONTENT.into_response();
    if !matches!(&key, KeyFound::Known(key) if !cors::admits(key, &headers)) {
        cors::allow_sending(&headers, &mut response);
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
    if let Some(call) = SegmentCall::named(&key) {
        return vendors::messages(shared, call, query, request).await;
    }
    let (parts, body) = request.into_parts();
    let take = async {
        let _request = room_for(known_key(&shared, &key, &parts.headers)?)?;
        let body = body::read(&parts.headers, body, &shared.body_room).await?;
        let screen = |screen: &Screen, body: &[u8], now, brings: Brings<'_>| screen.take(body, now, brings);
        let accepted = accept(&shared, &key, body, waits(query.as_deref()), screen).await?;
        let visible = accepted.visible.filter(|visible| !visible);
        Ok(answered(accepted, Collected { profiles: NoProfiles {}, visible }))
    };
    readable(&parts.headers, take.await)
}
