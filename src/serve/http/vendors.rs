//! Activities in the protocols of others: Segment's, and Snowplow's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::serve::activities::{Brings, Screen};
use crate::serve::http::body;
use crate::serve::http::cors;
use crate::serve::http::intake::{accept, answered, known_key, readable, room_for, waits};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::segment::{self, SegmentCall};
use crate::serve::snowplow;

/// What Segment answers.
#[derive(Serialize)]
struct Success {
    success: bool,
}

/// A browser asks whether a page may send. Which key it will send with it does not say: what comes is refused where that does not
/// admit the page.
pub async fn preflight(headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    cors::allow_sending(&headers, &mut response);
    response
}

/// `POST /v1/{call}`, and the same under other paths: messages of Segment.
pub async fn segment(
    State(shared): State<Arc<Shared>>,
    Path(call): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    match SegmentCall::named(&call) {
        Some(call) => messages(shared, call, query, request).await,
        None => HttpRefusal::missing("there is no such call of Segment").into_response(),
    }
}

/// `POST /i`: an `identify` of analytics.js, whose letter is a path of Snowplow's, too.
pub async fn identify(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    messages(shared, SegmentCall::One("identify"), query, request).await
}

/// Messages of Segment.
pub async fn messages(
    shared: Arc<Shared>,
    call: SegmentCall,
    query: Option<String>,
    request: Request<Body>,
) -> Response {
    let convert = move |screen: &Screen, body: &[u8]| segment::activities(call, body, screen.unique());
    let (parts, body) = request.into_parts();
    let outcome = take(&shared, query.as_deref(), &parts.headers, body, segment::key_of, convert).await;
    readable(&parts.headers, outcome)
}

/// `POST /com.snowplowanalytics.snowplow/tp2`: events of a Snowplow tracker.
pub async fn snowplow(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let convert = |screen: &Screen, body: &[u8]| snowplow::activities(body, screen.unique());
    let (parts, body) = request.into_parts();
    let outcome = take(&shared, query.as_deref(), &parts.headers, body, snowplow::key_of, convert).await;
    readable(&parts.headers, outcome)
}

/// `GET /i`: an event of a Snowplow tracker that asks for a picture. It gets one when the event is on the disk.
pub async fn pixel(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Query(members): Query<BTreeMap<String, String>>,
) -> Response {
    let convert = |screen: &Screen, body: &[u8]| snowplow::activities(body, screen.unique());
    let body = Body::from(snowplow::body_of(&members));
    let outcome = take(&shared, None, &headers, body, snowplow::key_of, convert).await;
    let picture = outcome.map(|response| match response.status() {
        StatusCode::OK => ([(header::CONTENT_TYPE, "image/gif")], PIXEL).into_response(),
        _ => response,
    });
    readable(&headers, picture)
}

/// The smallest picture that can be shown, and is not seen.
const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

async fn take(
    shared: &Arc<Shared>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    key_of: fn(&[u8]) -> Option<String>,
    convert: impl FnOnce(&Screen, &[u8]) -> Result<Vec<Box<RawValue>>, String> + Send + 'static,
) -> Result<Response, HttpRefusal> {
    let mut key = named_key(headers, query);
    if let Some(key) = &key {
        // Before its body is read.
        known_key(shared, key, headers)?;
    }
    let mut body = body::read(headers, body, &shared.body_room).await?;
    if key.is_none() {
        let look = move || body.unpacked().map(|body| (key_of(&body.bytes), body));
        (key, body) = tokio::task::spawn_blocking(look).await.map_err(|_| HttpRefusal::defect())??;
    }
    let key = key.unwrap_or_default();
    let _request = room_for(known_key(shared, &key, headers)?)?;
    let screen = move |screen: &Screen, body: &[u8], now, brings: Brings<'_>| {
        let values = convert(screen, body)?;
        let values: Vec<&RawValue> = values.iter().map(|value| &**value).collect();
        screen.take_values(&values, now, brings)
    };
    let accepted = accept(shared, &key, body, waits(query), screen).await?;
    Ok(answered(accepted, Success { success: true }))
}

/// The key that a request names outside its body: as the user of Basic, in `X-Write-Key`, or as `writeKey` of the query.
fn named_key(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let basic = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Basic ")).and_then(basic_user);
    // Jitsu writes a secret behind it.
    let written = header(HeaderName::from_static("x-write-key")).and_then(|value| value.split(':').next());
    let parameter = || query?.split('&').find_map(|part| part.strip_prefix("writeKey="));
    basic.or_else(|| Some(written.or_else(parameter)?.to_owned()))
}

/// The base64 of Basic authentication. Not every client pads it.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The user of Basic authentication.
fn basic_user(encoded: &str) -> Option<String> {
    let text = String::from_utf8(BASIC.decode(encoded.trim()).ok()?).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}

/// `GET /v1/projects/{key}/settings`: what analytics.js asks before it sends: to send here, by way of no one else.
pub async fn settings(State(shared): State<Arc<Shared>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let outcome = known_key(&shared, &key, &headers).map(|_| {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // A proxy in front of it speaks TLS.
        let scheme = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
        let protocol = if scheme == Some("https") { "https" } else { "http" };
        let here = json!({"apiKey": key, "apiHost": format!("{host}/v1"), "protocol": protocol});
        Json(json!({
            "integrations": {"Segment.io": here},
            "plan": {}, "edgeFunction": {}, "analyticsNextEnabled": true, "middlewareSettings": {},
            "enabledMiddleware": {}, "metrics": {"sampleRate": 0}, "remotePlugins": [],
        }))
        .into_response()
    });
    readable(&headers, outcome)
}

/// `GET /sourceConfig`: what RudderStack's SDK asks in a browser before it sends: that it may, and that there are no other destinations.
pub async fn source_config(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let key = named_key(&headers, query.as_deref()).unwrap_or_default();
    let outcome = known_key(&shared, &key, &headers).map(|_| {
        let source = json!({"id": key, "name": "backstitch", "enabled": true, "config": {}, "destinations": []});
        Json(json!({ "source": source })).into_response()
    });
    readable(&headers, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_basic_authentication() {
        for (encoded, user) in
            [("a2V5Og==", Some("key")), ("a2V5", Some("key")), ("", Some("")), ("é", None), ("//8=", None)]
        {
            assert_eq!(basic_user(encoded).as_deref(), user, "{encoded}");
        }
    }
}
