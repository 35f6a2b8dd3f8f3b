//! What machines ask: is it alive, is it ready, how much did it do?

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;
use crate::serve::metrics::Gauges;

/// `/healthz`: it answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `/readyz`: whether the store has what the log held when the collector began.
pub async fn readyz(State(shared): State<Arc<Shared>>) -> Result<&'static str, HttpRefusal> {
    let seen = *shared.visible.borrow();
    match seen >= shared.ready_at {
        true => Ok("ready\n"),
        false => Err(HttpRefusal::busy("the store is being brought up to the log; activities are taken already")),
    }
}

/// `/metrics`: numbers for Prometheus.
pub async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let (durable, seen) = (shared.log.durable().position(), *shared.visible.borrow());
    let behind =
        if durable.segment == seen.segment { durable.bytes - seen.bytes.min(durable.bytes) } else { durable.bytes };
    let gauges = Gauges { open_connections: shared.open_connections.load(Ordering::Relaxed), behind_bytes: behind };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.text(&gauges)).into_response()
}
