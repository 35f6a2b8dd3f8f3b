//! Decisions about identities: what the commands of the same names do.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::Deserialize;

use crate::engine::{Consent, Undone};
use crate::model::identity::Identity;
use crate::serve::http::ask::{json, work};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;

/// Two identities.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedPair {
    a: Identity,
    b: Identity,
}

/// A page of any origin may send text to this machine without asking first; JSON it may not.
fn check_kind(headers: &HeaderMap) -> Result<(), HttpRefusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json")),
    }
}

async fn pair(shared: &Shared, request: Request<Body>) -> Result<AskedPair, HttpRefusal> {
    check_kind(request.headers())?;
    json(shared, request).await
}

async fn identity(shared: &Shared, request: Request<Body>) -> Result<Identity, HttpRefusal> {
    check_kind(request.headers())?;
    json(shared, request).await
}

/// `POST /v1/unlink`: two identities count as never seen together.
pub async fn unlink(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Undone>, HttpRefusal> {
    let AskedPair { a, b } = pair(&shared, request).await?;
    work(shared, move |shared| Ok(Json(shared.engine.lock().unlink_pair(&a, &b)?))).await
}

/// `POST /v1/relink`: takes that back.
pub async fn relink(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Undone>, HttpRefusal> {
    let AskedPair { a, b } = pair(&shared, request).await?;
    work(shared, move |shared| Ok(Json(shared.engine.lock().relink_pair(&a, &b)?))).await
}

/// `POST /v1/opt-out`: no more events of a person are taken in.
pub async fn opt_out(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Consent>, HttpRefusal> {
    let Identity { namespace, value } = identity(&shared, request).await?;
    work(shared, move |shared| Ok(Json(shared.engine.lock().opt_out(&namespace, &value)?))).await
}

/// `POST /v1/opt-in`: they are taken in again.
pub async fn opt_in(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Consent>, HttpRefusal> {
    let Identity { namespace, value } = identity(&shared, request).await?;
    work(shared, move |shared| Ok(Json(shared.engine.lock().opt_in(&namespace, &value)?))).await
}
