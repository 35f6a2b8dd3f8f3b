//! Questions about people, as the commands of the same names answer them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::export::picture::Picture;
use crate::model::history::FeedPosition;
use crate::model::identity::Identity;
use crate::model::namespace::SESSION;
use crate::model::policy::{Lookback, Policy, Reading};
use crate::model::profile::{ProfileRule, ProfileRules};
use crate::model::time::Time;
use crate::model::when::When;
use crate::resolver::{Change, EventRow, KnownAt, Profile, Resolution, Resolutions, View};
use crate::serve::http::body;
use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::limits::{DEFAULT_ROWS, MAX_IDS, MAX_ROWS};

/// The parameters of a question, by name.
pub type Parameters = Query<BTreeMap<String, String>>;

/// The names of those that say how facts are read.
pub const READING: [&str; 3] = ["policy", "lookback", "as-of"];

/// The parameter that takes the place of the value in the path. A path cannot carry `.` and `..`, however they are written.
const VALUE: &str = "value";

/// The identity that a request asks about, and its other parameters.
pub fn asked_about(path: Path<(String, String)>, mut parameters: Parameters) -> (Identity, Parameters) {
    let Path((namespace, value)) = path;
    let value = parameters.remove(VALUE).unwrap_or(value);
    (Identity { namespace, value }, parameters)
}

/// The value that a request asks about, and its other parameters.
pub fn asked_value(Path(value): Path<String>, mut parameters: Parameters) -> (String, Parameters) {
    (parameters.remove(VALUE).unwrap_or(value), parameters)
}

/// Does work that reads the store, or waits for it, where it holds no connection up.
pub async fn work<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, HttpRefusal> + Send + 'static,
) -> Result<T, HttpRefusal> {
    tokio::task::spawn_blocking(move || work(&shared)).await.map_err(|_| HttpRefusal::defect())?
}

/// The JSON body of a request.
pub async fn json<T: for<'de> Deserialize<'de>>(shared: &Shared, request: Request<Body>) -> Result<T, HttpRefusal> {
    let (parts, body) = request.into_parts();
    let held = body::read(&parts.headers, body, &shared.body_room).await?;
    serde_json::from_slice(&held.bytes).map_err(|error| HttpRefusal::bad(format!("the body cannot be read: {error}")))
}

pub fn unknown(identity: &Identity) -> HttpRefusal {
    HttpRefusal::missing(format!("unknown: no event carries {identity}"))
}

/// Refuses a parameter of another name.
pub fn only(parameters: &Parameters, known: &[&[&str]]) -> Result<(), HttpRefusal> {
    let odd = parameters.keys().find(|name| !known.iter().any(|known| known.contains(&name.as_str())));
    let names = || known.concat().join(", ");
    odd.map_or(Ok(()), |odd| Err(HttpRefusal::bad(format!("{odd:?} is not a parameter here: there are {}", names()))))
}

/// A parameter, read.
pub fn parameter<T: FromStr<Err: ToString>>(parameters: &Parameters, name: &str) -> Result<Option<T>, HttpRefusal> {
    let read = |text: &String| {
        text.parse().map_err(|error: T::Err| HttpRefusal::bad(format!("{name}: {}", error.to_string())))
    };
    parameters.get(name).map(read).transpose()
}

fn moment(parameters: &Parameters) -> Result<Option<Time>, HttpRefusal> {
    let read = |text: &String| {
        let why = "as-of: write a date, a time and a zone, such as 2026-11-01T10:00:00Z";
        Time::parse(text).ok_or_else(|| HttpRefusal::bad(why))
    };
    parameters.get("as-of").map(read).transpose()
}

pub fn reading(parameters: &Parameters) -> Result<Reading, HttpRefusal> {
    Ok(Reading {
        policy: parameter::<Policy>(parameters, "policy")?.unwrap_or_default(),
        lookback: parameter::<Lookback>(parameters, "lookback")?,
        as_of: moment(parameters)?,
    })
}

pub fn rows(parameters: &Parameters) -> Result<usize, HttpRefusal> {
    let limit = parameter::<usize>(parameters, "limit")?.unwrap_or(DEFAULT_ROWS);
    match (1..=MAX_ROWS).contains(&limit) {
        true => Ok(limit),
        false => Err(HttpRefusal::bad(format!("limit: between 1 and {MAX_ROWS}"))),
    }
}

/// What is answered from: what was published last, or right after an earlier commit.
enum Basis {
    Now(View),
    Then(KnownAt),
}

impl Basis {
    /// That which is asked from, where there are `other` parameters, too.
    fn asked(shared: &Shared, parameters: &Parameters, other: &[&str]) -> Result<Self, HttpRefusal> {
        only(parameters, &[&READING, &["known-at"], other])?;
        let reading = reading(parameters)?;
        let Some(when) = parameter::<When>(parameters, "known-at")? else {
            return Ok(Self::Now(shared.resolver.view().under(reading)));
        };
        if reading.policy != Policy::default() || reading.lookback.is_some() {
            return Err(HttpRefusal::bad("known-at answers under the default policy, without a lookback"));
        }
        let then = shared.engine.lock().known_at(when)?;
        Ok(Self::Then(reading.as_of.map(|until| then.as_of(until)).unwrap_or(then)))
    }

    fn resolve(&self, identity: &Identity) -> Result<Option<Resolution>, HttpRefusal> {
        match self {
            Self::Now(view) => Ok(view.resolve_in(&identity.namespace, &identity.value)?),
            Self::Then(then) => Ok(then.resolve_in(&identity.namespace, &identity.value)),
        }
    }

    fn resolve_all(&self, identities: &[Identity]) -> Result<Resolutions, HttpRefusal> {
        match self {
            Self::Now(view) => Ok(view.resolve_identities(identities)?),
            Self::Then(then) => Ok(then.resolve_identities(identities)?),
        }
    }
}

/// `GET /v1/resolve/{namespace}/{value}`: who is it?
pub async fn resolve(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<Resolution>, HttpRefusal> {
    let (identity, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        let found = Basis::asked(shared, &parameters, &[])?.resolve(&identity)?;
        found.map(Json).ok_or_else(|| unknown(&identity))
    })
    .await
}

/// An identity in a body: a session ID, or one of another namespace.
#[derive(Deserialize)]
#[serde(untagged)]
enum AskedId {
    Session(String),
    Named(Identity),
}

impl AskedId {
    fn identity(self) -> Identity {
        match self {
            Self::Session(value) => Identity { namespace: SESSION.to_owned(), value },
            Self::Named(identity) => identity,
        }
    }
}

/// The body of a question about many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedIds {
    ids: Vec<AskedId>,
}

/// The answers in the order of the question, of one commit; `null` where an identity is unknown.
#[derive(Serialize)]
pub struct ResolvedIds {
    answers: Resolutions,
}

/// `POST /v1/resolve`: who are they?
pub async fn resolve_many(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
    request: Request<Body>,
) -> Result<Json<ResolvedIds>, HttpRefusal> {
    let AskedIds { ids } = json(&shared, request).await?;
    if ids.len() > MAX_IDS {
        return Err(HttpRefusal::bad(format!("at most {MAX_IDS} ids at once")));
    }
    work(shared, move |shared| {
        let identities: Vec<Identity> = ids.into_iter().map(AskedId::identity).collect();
        let answers = Basis::asked(shared, &parameters, &[])?.resolve_all(&identities)?;
        Ok(Json(ResolvedIds { answers }))
    })
    .await
}

/// Events of a person, in the order of time.
#[derive(Serialize)]
pub struct EventPage {
    /// How many there are in all.
    total: usize,
    /// The offset at which the next page begins, if there is one.
    next: Option<usize>,
    events: Vec<EventRow>,
}

/// Which of the events are asked for.
struct AskedRows {
    offset: usize,
    limit: usize,
}

impl AskedRows {
    fn asked(parameters: &Parameters) -> Result<Self, HttpRefusal> {
        Ok(Self { offset: parameter(parameters, "offset")?.unwrap_or_default(), limit: rows(parameters)? })
    }

    fn of(&self, events: impl ExactSizeIterator<Item = EventRow>) -> EventPage {
        let total = events.len();
        let next = self.offset.checked_add(self.limit).filter(|next| *next < total);
        EventPage { total, next, events: events.skip(self.offset).take(self.limit).collect() }
    }
}

/// The parameters of [`AskedRows`].
const PAGE: [&str; 2] = ["limit", "offset"];

/// `GET /v1/people/{namespace}/{value}/events`: what did this person do?
pub async fn events(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<EventPage>, HttpRefusal> {
    let (of, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        only(&parameters, &[&READING, &PAGE])?;
        let (view, rows) = (shared.resolver.view().under(reading(&parameters)?), AskedRows::asked(&parameters)?);
        let found = view.each_event(&of.namespace, &of.value)?.map(|events| rows.of(events));
        found.map(Json).ok_or_else(|| unknown(&of))
    })
    .await
}

/// `GET /v1/people/{namespace}/{value}/timeline`: what happened where this person was seen?
pub async fn timeline(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<EventPage>, HttpRefusal> {
    let (of, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        let (facts, rows) = (Basis::asked(shared, &parameters, &PAGE)?, AskedRows::asked(&parameters)?);
        let found = match &facts {
            Basis::Now(view) => view.timeline(&of.namespace, &of.value)?.map(|events| rows.of(events)),
            Basis::Then(then) => then.timeline(&of.namespace, &of.value)?.map(|events| rows.of(events)),
        };
        found.map(Json).ok_or_else(|| unknown(&of))
    })
    .await
}

/// `GET /v1/people/{namespace}/{value}/profile`: what segments and traits does this person have?
pub async fn profile(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Json<Profile>, HttpRefusal> {
    let (of, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        only(&parameters, &[&READING, &["rule", "segments-rule"]])?;
        let rules = rules(&parameters)?;
        let view = shared.resolver.view().under(reading(&parameters)?);
        let found = view.profile(&of.namespace, &of.value, &rules)?;
        found.map(Json).ok_or_else(|| unknown(&of))
    })
    .await
}

/// By which rules: `segments-rule=RULE`, and `rule=TRAIT=RULE,TRAIT=RULE`.
fn rules(parameters: &Parameters) -> Result<ProfileRules, HttpRefusal> {
    let mut rules = ProfileRules::default();
    if let Some(rule) = parameter::<ProfileRule>(parameters, "segments-rule")? {
        rules = rules.segments(rule);
    }
    for one in parameters.get("rule").into_iter().flat_map(|all| all.split(',')) {
        let why = || HttpRefusal::bad("rule: write the name of a trait and a rule: age=first");
        let (name, word) = one.rsplit_once('=').ok_or_else(why)?;
        rules = rules.of_trait(name, word.parse()?);
    }
    Ok(rules)
}

/// `GET /v1/explain/{namespace}/{value}`: why? With `with=NAMESPACE:VALUE`: why are the two one person, or why not? With `format=svg` as a
/// picture.
pub async fn explain(
    State(shared): State<Arc<Shared>>,
    path: Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, HttpRefusal> {
    let (one, parameters) = asked_about(path, parameters);
    work(shared, move |shared| {
        only(&parameters, &[&["with", "as-of", "format"]])?;
        let until = moment(&parameters)?;
        let view = until.map_or_else(|| shared.resolver.view(), |until| shared.resolver.view().as_of(until));
        let named = |other: &String| {
            let named = other.split_once(':').ok_or_else(|| HttpRefusal::bad("with: write NAMESPACE:VALUE"))?;
            Ok::<_, HttpRefusal>(Identity { namespace: named.0.to_owned(), value: named.1.to_owned() })
        };
        let other = parameters.get("with").map(named).transpose()?;
        match parameters.get("format").map_or("json", String::as_str) {
            "json" => {}
            "svg" => return picture(&view, &std::iter::once(one).chain(other).collect::<Vec<_>>()),
            _ => return Err(HttpRefusal::bad("format: there are json, svg")),
        }
        let Some(other) = other else {
            let found = view.explain(&one.namespace, &one.value)?;
            return as_json(found.ok_or_else(|| unknown(&one))?);
        };
        let why = || HttpRefusal::missing(format!("unknown: no event carries {one}, or none {other}"));
        as_json(view.explain_pair(&one, &other)?.ok_or_else(why)?)
    })
    .await
}

/// The picture of one or two identities, as `explain --format svg` draws it.
fn picture(view: &View, asked: &[Identity]) -> Result<Response, HttpRefusal> {
    let missing = asked.iter().find(|identity| view.find(&identity.namespace, &identity.value).is_none());
    if let Some(missing) = missing {
        return Err(unknown(missing));
    }
    let names: Vec<String> = asked.iter().map(ToString::to_string).collect();
    let policy = format!("default-src 'none'; style-src '{}'", Picture::STYLE_HASH);
    let policy = HeaderValue::try_from(policy).map_err(|_| HttpRefusal::defect())?;
    let headers =
        [(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), (header::CONTENT_SECURITY_POLICY, policy)];
    Ok((headers, Picture::new(view, asked, names.join(" and ")).svg()).into_response())
}

fn as_json(answer: impl Serialize) -> Result<Response, HttpRefusal> {
    serde_json::to_value(answer).map(|answer| Json(answer).into_response()).map_err(|_| HttpRefusal::defect())
}

/// What commits changed.
#[derive(Serialize)]
pub struct ChangePage {
    /// The position behind the last one: where to go on.
    position: String,
    changes: Vec<Change>,
}

/// `GET /v1/changes?since=`: what did commits change?
pub async fn changes(
    State(shared): State<Arc<Shared>>,
    parameters: Parameters,
) -> Result<Json<ChangePage>, HttpRefusal> {
    work(shared, move |shared| {
        only(&parameters, &[&["since", "limit"]])?;
        let limit = rows(&parameters)?;
        let since = parameter::<FeedPosition>(&parameters, "since")?.unwrap_or(shared.feed.start());
        let changes = shared.feed.changes(since)?.take(limit).collect::<Result<Vec<Change>, _>>()?;
        let position = changes.last().map_or(since, |last| last.position).to_string();
        Ok(Json(ChangePage { position, changes }))
    })
    .await
}
