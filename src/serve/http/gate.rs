//! Who may ask and decide: a client with a token or, where there are no tokens, what runs on this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::serve::http::refusal::HttpRefusal;
use crate::serve::http::shared::Shared;

/// Headers by which a proxy on this machine says that a request comes from elsewhere.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Lets those through who may ask.
pub async fn gate(State(shared): State<Arc<Shared>>, request: Request<Body>, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let allowed = match &shared.tokens {
        Some(tokens) => {
            let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let token = token.and_then(|value| value.strip_prefix("Bearer "));
            token.is_some_and(|token| tokens.hold(token.trim()))
        }
        None => peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) && is_local(request.headers()),
    };
    match (allowed, shared.tokens.is_some()) {
        (true, _) => next.run(request).await,
        (false, true) => {
            HttpRefusal::new(StatusCode::UNAUTHORIZED, "a token of the token file is needed: Authorization: Bearer …")
                .into_response()
        }
        (false, false) => {
            let why = "without a token file only programs on the same machine are answered: serve with --token-file";
            HttpRefusal::new(StatusCode::FORBIDDEN, why).into_response()
        }
    }
}

/// Whether a request names this machine, and no proxy passed it on. A page of elsewhere whose name leads to this machine names itself.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let names_this = name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback());
    names_this && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}
