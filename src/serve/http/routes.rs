//! Which request goes where.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::http::{ask, collect, decide, explore, gate, probes, stream, vendors};

/// All routes. `docs/openapi.json` describes them; a test holds the two against each other.
pub fn router(shared: Arc<Shared>) -> Router {
    let asked = Router::new()
        .route("/v1/resolve/{namespace}/{value}", get(ask::resolve))
        .route("/v1/resolve", post(ask::resolve_many))
        .route("/v1/people/{namespace}/{value}/events", get(ask::events))
        .route("/v1/people/{namespace}/{value}", get(explore::person))
        .route("/v1/people/{namespace}/{value}/timeline", get(ask::timeline))
        .route("/v1/people/{namespace}/{value}/profile", get(ask::profile))
        .route("/v1/explain/{namespace}/{value}", get(ask::explain))
        .route("/v1/find/{value}", get(explore::find))
        .route("/v1/shared", get(explore::shared))
        .route("/v1/commits", get(explore::commits))
        .route("/v1/changes", get(stream::changes))
        .route("/v1/unlink", post(decide::unlink))
        .route("/v1/relink", post(decide::relink))
        .route("/v1/rename", post(decide::rename))
        .route("/v1/forget", post(decide::forget))
        .route("/v1/opt-out", post(decide::opt_out))
        .route("/v1/opt-in", post(decide::opt_in))
        .route_layer(from_fn_with_state(Arc::clone(&shared), gate::gate));
    Router::new()
        .route("/", get(explore::page))
        .route("/{key}", post(collect::collect).options(collect::preflight))
        .route("/i", get(vendors::pixel).post(vendors::identify).options(vendors::preflight))
        .route("/v1/{call}", post(vendors::segment).options(vendors::preflight))
        .route("/v1/projects/{key}/settings", get(vendors::settings))
        .route("/sourceConfig", get(vendors::source_config).options(vendors::preflight))
        .route("/sourceConfig/", get(vendors::source_config).options(vendors::preflight))
        .route("/api/s/{call}", post(vendors::segment).options(vendors::preflight))
        .route("/api/s/s2s/{call}", post(vendors::segment).options(vendors::preflight))
        .route("/com.snowplowanalytics.snowplow/tp2", post(vendors::snowplow).options(vendors::preflight))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .merge(asked)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(Arc::clone(&shared), answered))
        .with_state(shared)
}

async fn nothing_here() -> HttpRefusal {
    HttpRefusal::missing("there is nothing here: POST activities to /TRACKER-KEY")
}

async fn not_so() -> HttpRefusal {
    HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, "another method is needed here: activities are sent with POST")
}

/// Counts every answer; none of them is a page, whatever a browser makes of it.
async fn answered(State(shared): State<Arc<Shared>>, request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    shared.metrics.answered(response.status().as_u16());
    response
}
