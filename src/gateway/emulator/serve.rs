//! The accept loop. The emulator serves HTTP/1.1 itself, because it must be able to cut a
//! connection in place of an answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::Shared;
use super::answer::Cut;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on request")]
struct CutOnRequest;

/// Accepts connections until the emulator stops.
pub(super) async fn run(listener: TcpListener, router: Router, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, router.clone(), Arc::clone(&shared));
                shared.tasks.spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "the emulator cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, shared: Arc<Shared>) {
    // Small answers should not wait for more bytes; without it the emulator is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let answer: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
            let Ok(response) = answer;
            match response.extensions().get::<Cut>() {
                // hyper closes the connection of a service that errs, and writes nothing.
                Some(Cut) => Err(CutOnRequest),
                None => Ok(response),
            }
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here is a client that went away, or a cut on request.
        _ = serving => {}
        () = shared.stopping.cancelled() => {}
    }
}
