//! What pages of other origins may do: send with the keys that admit them, and read the answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;

use crate::serve::keys::TrackerKey;
use crate::serve::limits::PREFLIGHT_SECONDS;

/// Whether the key admits the page that a request comes from; what is not a page names no origin, and is admitted.
pub fn admits(key: &TrackerKey, headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(|origin| key.admits(origin)))
}

/// Lets the page that asks whether it may send do so.
pub fn allow_sending(headers: &HeaderMap, response: &mut Response) {
    allow_origin(headers, response);
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_SECONDS));
    if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
}

/// Lets the page that asks read the answer.
pub fn allow_origin(headers: &HeaderMap, response: &mut Response) {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // Without this a page cannot read how long it is to wait.
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        // Beacons are sent with cookies, of which there are none.
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.insert(HeaderName::from_static("vary"), HeaderValue::from_static("origin"));
    }
}
