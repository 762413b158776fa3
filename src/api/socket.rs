//! The sockets of a listener: how they are bound, looked into, turned away, and handed over.

use crate::api::error::ErrorCode;
use crate::api::wire::refusal;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The most connections that wait to be accepted. An on-sale brings thousands within one second.
const BACKLOG_CONNECTIONS: i32 = 8192;
/// The longest pause between two looks at an incomplete preface of HTTP/2. There are 8 looks in
/// 1.3 s: more of them cost time for each client that stops in the middle.
const PREFACE_PAUSE_MAX: Duration = Duration::from_millis(640);
/// The most bytes that the kernel keeps unsent for a connection, beside those on their way. Fewer:
/// more turns for each long response. More: slow readers take more memory of the kernel.
const UNSENT_BYTES: u32 = 128 * 1024;
/// The most refused connections that are kept until their client has read the refusal.
const LINGERING_MAX: usize = 64;
/// How long a refused connection is kept.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// Binds an address such as `127.0.0.1:8080`. A connection whose other side acknowledges nothing
/// for `peer_timeout` (3 s or more, plus or minus a third) ends by itself, because it would keep
/// its places for a quarter of an hour.
pub async fn bind(address: &str, peer_timeout: Duration) -> anyhow::Result<TcpListener> {
    use anyhow::Context as _;
    let explain = || format!("can't listen on {address}");
    let mut found = tokio::net::lookup_host(address).await.with_context(explain)?;
    let address = found.next().with_context(explain)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit all of these: the first is for bytes without an acknowledgement, and
    // the second for silence.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(peer_timeout))?;
    let third = peer_timeout / 3;
    let keepalive = TcpKeepalive::new().with_time(third).with_interval(third);
    socket.set_tcp_keepalive(&keepalive.with_retries(2))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into()).with_context(explain)?;
    socket.listen(BACKLOG_CONNECTIONS)?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// Tells a client that there is no room for its connection. For a few of them the node waits until
/// they have read it, because a connection that closes with unread bytes loses the response.
pub(super) fn turn_away(mut stream: TcpStream) {
    static LINGERING: Semaphore = Semaphore::const_new(LINGERING_MAX);
    let _ = stream.try_write(&refusal(ErrorCode::Overloaded.into()));
    if let Ok(lingering) = LINGERING.try_acquire() {
        tokio::spawn(async move {
            let _lingering = lingering;
            let reading = async {
                let mut bytes = [0; 1024];
                stream.shutdown().await?;
                while stream.read(&mut bytes).await? > 0 {}
                Ok::<_, std::io::Error>(())
            };
            let _ = tokio::time::timeout(LINGER_TIMEOUT, reading).await;
        });
    }
}

/// Makes a socket drop the waker of the task that last waited for it, because a waker keeps the
/// memory of its whole task: 4 KiB while the stream lives.
pub(super) fn forget_this_task(stream: &TcpStream) {
    let mut nobody = Context::from_waker(Waker::noop());
    let _ = stream.poll_read_ready(&mut nobody);
    let _ = stream.poll_write_ready(&mut nobody);
}

/// Whether a connection begins with the preface of HTTP/2. No byte is consumed. A client that sends
/// a part of the preface and no more speaks HTTP/1.1, which is about to refuse it.
pub(super) async fn speaks_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: [u8; 4] = *b"PRI ";
    let mut first = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(5);
    loop {
        let count = stream.peek(&mut first).await?;
        if count == 0 || first[..count] != PREFACE[..count] || pause > PREFACE_PAUSE_MAX {
            return Ok(false);
        }
        if count == PREFACE.len() {
            return Ok(true);
        }
        // The rest of these few bytes is on its way, but `peek` does not wait for it.
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[tokio::test]
    async fn a_socket_that_left_hyper_keeps_nothing_of_its_task() {
        let listener = bind("127.0.0.1:0", Duration::from_secs(45)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        // The first poll of a new socket says that it may be read. A read shows that it may not.
        stream.writable().await.unwrap();
        assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        let task = Arc::new(Task);
        let waker = Waker::from(task.clone());
        assert!(stream.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2, "the socket keeps the waker of the task");
        forget_this_task(&stream);
        assert_eq!(Arc::strong_count(&task), 1);
        drop(client);
    }
}
