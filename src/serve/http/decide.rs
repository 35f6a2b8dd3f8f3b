//! Decisions about identities: what the commands of the same names do.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::engine::{Consent, Engine, Forget, Forgotten, Undone};
use crate::model::error::Error;
use crate::model::identity::Identity;
use crate::model::time::Time;
use crate::serve::http::ask::{json, work};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::log::erase::{self, LogErasure};

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

/// Two identities that are to count as never seen together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AskedUnlink {
    a: Identity,
    b: Identity,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/unlink`: two identities count as never seen together.
pub async fn unlink(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Undone>, HttpRefusal> {
    check_kind(request.headers())?;
    let AskedUnlink { a, b, dry_run } = json(&shared, request).await?;
    work(shared, move |shared| {
        let mut engine = shared.engine.lock();
        Ok(Json(if dry_run { engine.would_unlink(&a, &b)? } else { engine.unlink_pair(&a, &b)? }))
    })
    .await
}

/// `POST /v1/relink`: takes that back.
pub async fn relink(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Undone>, HttpRefusal> {
    let AskedPair { a, b } = pair(&shared, request).await?;
    work(shared, move |shared| Ok(Json(shared.engine.lock().relink_pair(&a, &b)?))).await
}

/// Which identity is to count as which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AskedRename {
    from: Identity,
    to: Option<Identity>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/rename`: an identity counts as another; without one, as itself again.
pub async fn rename(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Undone>, HttpRefusal> {
    check_kind(request.headers())?;
    let AskedRename { from, to, dry_run } = json(&shared, request).await?;
    work(shared, move |shared| {
        let mut engine = shared.engine.lock();
        Ok(Json(match (to, dry_run) {
            (Some(to), true) => engine.would_rename([(from, to)])?,
            (Some(to), false) => engine.rename([(from, to)])?,
            (None, true) => return Err(HttpRefusal::bad("dryRun: only with to")),
            (None, false) => engine.rename_back([from])?,
        }))
    })
    .await
}

/// `POST /v1/opt-out`: no more events of a person are taken in.
pub async fn opt_out(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Consent>, HttpRefusal> {
    let Identity { namespace, value } = identity(&shared, request).await?;
    work(shared, move |shared| Ok(Json(barring(shared, |engine| engine.opt_out(&namespace, &value))?))).await
}

/// `POST /v1/opt-in`: they are taken in again.
pub async fn opt_in(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Result<Json<Consent>, HttpRefusal> {
    let Identity { namespace, value } = identity(&shared, request).await?;
    work(shared, move |shared| Ok(Json(barring(shared, |engine| engine.opt_in(&namespace, &value))?))).await
}

/// Whom to forget.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AskedForget {
    identities: Vec<Identity>,
    #[serde(default)]
    whole_person: bool,
    until: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// What was erased: from the store, and from the log.
#[derive(Serialize)]
pub struct ErasedEverywhere {
    #[serde(flatten)]
    store: Forgotten,
    /// Not where it is only said what would go: that takes no look at the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<LogErasure>,
}

/// `POST /v1/forget`: erases identities from the store, and from the log.
pub async fn forget(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Result<Json<ErasedEverywhere>, HttpRefusal> {
    check_kind(request.headers())?;
    let AskedForget { identities, whole_person, until, dry_run } = json(&shared, request).await?;
    if identities.is_empty() {
        return Err(HttpRefusal::bad("identities: name at least one"));
    }
    let mut whom = identities.into_iter().fold(Forget::default(), |all, one| all.and(one.namespace, one.value));
    if whole_person {
        whom = whom.whole_person();
    }
    if let Some(until) = until {
        let why = "until: write a date, a time and a zone, such as 2026-11-01T10:00:00Z";
        whom = whom.until(Time::parse(&until).ok_or_else(|| HttpRefusal::bad(why))?);
    }
    if dry_run {
        let would = move |shared: &Shared| {
            Ok(Json(ErasedEverywhere { store: shared.engine.lock().would_forget(&whom)?, log: None }))
        };
        return work(shared, would).await;
    }
    work(shared, move |shared| {
        let _one_at_a_time = shared.erasing.lock();
        let folder = shared.log.folder();
        // What a request before it could not complete, of a full disk for instance.
        if let Some(pending) = erase::pending(folder)? {
            let (_, search) = barring(shared, |engine| erase::from_store(engine, folder, &pending))?;
            search.from_log(&shared.log)?;
        }
        let (store, search) = barring(shared, |engine| erase::from_store(engine, folder, &whom))?;
        Ok(Json(ErasedEverywhere { store, log: Some(search.from_log(&shared.log)?) }))
    })
    .await
}

/// Decides whose activities are taken in. When it returns, none are on their way to the log that it bars.
fn barring<T>(shared: &Shared, decide: impl FnOnce(&mut Engine) -> Result<T, Error>) -> Result<T, Error> {
    let mut engine = shared.engine.lock();
    let decided = decide(&mut engine);
    // Also after an error: what was decided counts.
    shared.screen.bar(engine.barred());
    drop(engine);
    drop(shared.admission.blocking_write());
    decided
}
