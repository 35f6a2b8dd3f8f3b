//! The explorer, and the questions that it asks beside those of programs.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::engine::CommitRow;
use crate::model::identity::Identity;
use crate::resolver::{MemberRow, Resolution, SharedRow, View};
use crate::serve::explorer;
use crate::serve::http::ask::{Parameters, READING, asked_about, asked_value, only, reading, rows, unknown, work};
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;

/// `GET /`: the explorer. It holds nothing of the store, so that everybody may read it.
pub async fn page() -> Result<Response, HttpRefusal> {
    let (page, policy) = explorer::page().ok_or_else(HttpRefusal::defect)?;
    let policy = HeaderValue::try_from(policy).map_err(|_| HttpRefusal::defect())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((headers, page).into_response())
}

/// Who an identity is, and the identities of that person with when and how often.
#[derive(Serialize)]
pub struct PersonAnswer {
    #[serde(flatten)]
    resolution: Resolution,
    identities: Vec<MemberRow>,
}

/// `GET /v1/people/{namespace}/{value}`: whose is it, and what else is theirs?
pub async fn person(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<PersonAnswer>, HttpRefusal> {
    let (of, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        let view = asked(shared, &parameters)?;
        let found = view.resolve_in(&of.namespace, &of.value)?.zip(view.members(&of.namespace, &of.value)?);
        let (resolution, identities) = found.ok_or_else(|| unknown(&of))?;
        Ok(Json(PersonAnswer { resolution, identities }))
    })
    .await
}

fn asked(shared: &Shared, parameters: &Parameters) -> Result<View, HttpRefusal> {
    only(parameters, &[&READING])?;
    Ok(shared.resolver.view().under(reading(parameters)?))
}

/// The identities that have a value.
#[derive(Serialize)]
pub struct FoundAnswer {
    /// In identity order. A value that is written `namespace:value` is looked for both ways.
    #[serde(serialize_with = "crate::model::writing::texts")]
    found: Vec<Identity>,
}

/// `GET /v1/find/{value}`: which identities are written so?
pub async fn find(
    State(shared): State<Arc<Shared>>,
    path: Path<String>,
    parameters: Parameters,
) -> Result<Json<FoundAnswer>, HttpRefusal> {
    let (value, parameters) = asked_value(path, parameters);
    work(shared, move |shared| {
        only(&parameters, &[])?;
        let view = shared.resolver.view();
        let mut found = view.find_value(&value);
        let named = value.split_once(':');
        found.extend(named.and_then(|(namespace, value)| Some(view.graph().identity(view.find(namespace, value)?))));
        Ok(Json(FoundAnswer { found }))
    })
    .await
}

/// Sessions that met more than one customer.
#[derive(Serialize)]
pub struct SharedPage {
    /// How many there are in all.
    total: usize,
    sessions: Vec<SharedRow>,
}

/// `GET /v1/shared`: which sessions met more than one customer?
pub async fn shared(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<SharedPage>, HttpRefusal> {
    work(shared, move |shared| {
        only(&parameters, &[&["limit"]])?;
        let limit = rows(&parameters)?;
        let mut sessions = shared.resolver.view().shared()?;
        let total = sessions.len();
        sessions.truncate(limit);
        Ok(Json(SharedPage { total, sessions }))
    })
    .await
}

/// The last commits.
#[derive(Serialize)]
pub struct CommitPage {
    /// The position behind the last change of the feed.
    position: String,
    /// The oldest first.
    commits: VecDeque<CommitRow>,
}

/// `GET /v1/commits`: when did the store learn something?
pub async fn commits(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<CommitPage>, HttpRefusal> {
    work(shared, move |shared| {
        only(&parameters, &[&["limit"]])?;
        let limit = rows(&parameters)?;
        let mut commits = VecDeque::new();
        for row in shared.engine.lock().commits() {
            commits.push_back(row?);
            if commits.len() > limit {
                commits.pop_front();
            }
        }
        Ok(Json(CommitPage { position: shared.feed.position().to_string(), commits }))
    })
    .await
}
