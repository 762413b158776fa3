//! The accept loop. The emulator serves HTTP/1.1 itself, because it must be able to cut a
//! connection instead of sending a response.

use crate::Shared;
use crate::reply::Cut;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// Why a connection ends without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on request")]
struct CutOnRequest;

/// Accepts connections until the emulator stops.
pub(crate) async fn run(listener: TcpListener, router: Router, shared: Arc<Shared>) {
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
    // Small responses must not wait for more bytes. When this fails, the emulator is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let served: Result<_, Infallible> = router.oneshot(request.map(Body::new)).await;
            let Ok(response) = served;
            match response.extensions().get::<Cut>() {
                // When a service fails, hyper closes the connection and writes nothing.
                Some(Cut) => Err(CutOnRequest),
                None => Ok(response),
            }
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here means that the client has disconnected, or that the cut was requested.
        _ = serving => {}
        () = shared.stopping.cancelled() => {}
    }
}
