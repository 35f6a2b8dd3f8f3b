//! Connections: how many there are, how long they live, and how they end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::serve::http::gate::Peer;
use crate::serve::http::shared::Shared;
use crate::serve::limits::{
    CLOSE_TIME, CONNECTION_TIME, HEAD_TIME, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_HEADERS, RESERVED_FILES, STOP_LOOK,
};
use crate::serve::open_files;

/// Serves until `stop` says so; then no request is taken any more, and those that were are answered.
pub async fn serve(listener: TcpListener, router: Router, shared: Arc<Shared>, stop: impl Fn() -> bool) {
    let files = open_files::admit(MAX_CONNECTIONS + RESERVED_FILES);
    let most = files.saturating_sub(RESERVED_FILES).clamp(1, MAX_CONNECTIONS);
    let room = Arc::new(Semaphore::new(most));
    while !stop() {
        let Ok(Ok(permit)) = timeout(STOP_LOOK, Arc::clone(&room).acquire_owned()).await else { continue };
        let (stream, peer) = match timeout(STOP_LOOK, listener.accept()).await {
            Ok(Ok(accepted)) => accepted,
            Err(_) => continue,
            // A client that is gone already, or a lack of files, which ends when other connections do.
            Ok(Err(_)) => {
                sleep(STOP_LOOK).await;
                continue;
            }
        };
        let (router, shared, ending) = (router.clone(), Arc::clone(&shared), shared.stopping.subscribe());
        tokio::spawn(async move {
            shared.metrics.connections.add(1);
            shared.open_connections.fetch_add(1, Ordering::Relaxed);
            connection(stream, peer, router, ending).await;
            shared.open_connections.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }
    drop(listener);
    shared.stopping.send_replace(true);
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    // A connection that does not end by then goes with the threads.
    let _ = timeout(CLOSE_TIME, room.acquire_many(all)).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, mut ending: watch::Receiver<bool>) {
    // One that says nothing costs no more than this.
    let mut first = [0];
    tokio::select! {
        spoke = timeout(HEAD_TIME, stream.peek(&mut first)) => if !matches!(spoke, Ok(Ok(1))) { return },
        _ = ending.wait_for(|ending| *ending) => return,
    }
    Box::pin(http(stream, peer, router, ending)).await;
}

async fn http(stream: TcpStream, peer: SocketAddr, router: Router, mut ending: watch::Receiver<bool>) {
    // Answers are small: they shall not wait for each other.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // What a client does wrong is its own affair.
        _ = connection.as_mut() => return,
        _ = ending.wait_for(|ending| *ending) => {}
        () = sleep(CONNECTION_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(CLOSE_TIME, connection).await;
}
