//! The floor: the cost of writing the same frame to as many sockets in a plain loop. A separate
//! process writes, and this process reads.

use crate::arguments::LoadArguments;
use crate::usage::cpu_seconds;
use anyhow::{Context as _, ensure};
use grandstand_embedded::print;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

/// A frame like those of the node: a change of one seat.
const FRAME: &[u8] = b"6e\r\nid: 1-1763812345678-7\nevent: changes\n\
    data: {\"version\":12345,\"changes\":[{\"seatId\":12345,\"state\":\"HOLD\"}]}\n\n\r\n";

/// Each connection waits for this greeting. Without it, the writer would connect faster than the
/// reader accepts, fill the queue of the listener, and then wait seconds for its next try.
const WELCOME: &[u8] = b"!";

/// Returns the microseconds of a core per frame, with this number of sockets and frames per second.
pub(crate) async fn measure(streams: usize, rate: f64, time: Duration) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["floor", "--url", &url, "--people", &streams.to_string()])
        .args(["--rate", &rate.to_string(), "--duration", &time.as_secs_f64().to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().context("starting the plain loop of writes")?;
    let mut readers = Vec::new();
    for _ in 0..streams {
        let (mut stream, _) = listener.accept().await?;
        stream.write_all(WELCOME).await?;
        readers.push(tokio::spawn(async move {
            let (mut buffer, mut bytes) = ([0; 4096], 0);
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                bytes += count;
            }
            bytes
        }));
    }
    let output = child.wait_with_output().await?;
    let mut read = 0;
    for reader in readers {
        read += reader.await?;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
    let (frames, seconds) = words.next().zip(words.next()).context("the plain loop failed")?;
    ensure!(read as f64 == frames * FRAME.len() as f64, "the reader did not get all frames");
    Ok(seconds * 1e6 / frames)
}

/// Runs the loop, and prints the number of frames and the seconds of processor time.
pub(crate) fn write(arguments: &LoadArguments) -> anyhow::Result<ExitCode> {
    let numbers = arguments.numbers();
    let url = arguments.url.as_deref().unwrap_or_default();
    let address = url.strip_prefix("http://").context("--url must start with http://")?;
    let mut streams = Vec::new();
    for _ in 0..numbers.people {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.read_exact(&mut [0; WELCOME.len()])?;
        streams.push(stream);
    }
    let process = std::process::id();
    let (before, begun, mut frames) = (cpu_seconds(process), Instant::now(), 0_u64);
    let mut next = begun;
    while begun.elapsed() < numbers.duration {
        for stream in &mut streams {
            stream.write_all(FRAME)?;
        }
        frames += streams.len() as u64;
        next += Duration::from_secs_f64(1.0 / numbers.rate);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    print(format_args!("{frames} {}\n", cpu_seconds(process) - before));
    Ok(ExitCode::SUCCESS)
}
