//! One command to one server of Redis over a connection of its own: without a library that would
//! follow a redirection, repeat the command or hide an error.

use std::io::{Error, ErrorKind};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long a server may take to reply. MIGRATE of a large key is the slowest command here.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a server replied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Text(String),
    Number(i64),
    List(Vec<Reply>),
    Nothing,
    Error(String),
}

impl Reply {
    /// The text of the reply; a number is written as text.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) | Self::Error(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::List(_) | Self::Nothing => String::new(),
        }
    }

    /// The texts of a list.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.iter().map(Self::text).collect(),
            _ => vec![],
        }
    }
}

/// Sends one command to the server on this port of 127.0.0.1.
///
/// # Errors
/// The server can't be reached, keeps silent for 5 s, or replies with an error.
pub async fn ask(port: u16, words: &[&str]) -> Result<Reply, String> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(command.as_bytes()).await?;
        read(&mut stream).await
    };
    match tokio::time::timeout(REPLY_TIMEOUT, exchange).await {
        Ok(Ok(Reply::Error(text))) => Err(text),
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no reply".to_owned()),
    }
}

/// The same for a command that must not fail.
#[track_caller]
pub fn done(port: u16, words: &[&str]) -> impl Future<Output = Reply> {
    let place = std::panic::Location::caller();
    async move {
        let reply = ask(port, words).await;
        reply.unwrap_or_else(|error| panic!("{place}: {words:?} on port {port}: {error}"))
    }
}

/// What a server is in its replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Master,
    /// A replica that has a copy, and gets what its master writes.
    Follower,
    /// A replica without that, or a server that does not reply.
    Lost,
}

/// What the server on this port is now.
pub async fn role(port: u16) -> Role {
    let info = ask(port, &["INFO", "replication"]).await.map_or_else(|error| error, |it| it.text());
    if info.contains("role:master") {
        Role::Master
    } else if info.contains("master_link_status:up") {
        Role::Follower
    } else {
        Role::Lost
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Reply> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at(1);
    let number = || rest.parse::<i64>().map_err(|_| Error::other(format!("no number: {rest}")));
    Ok(match kind {
        "+" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(number()?),
        "$" | "*" if number()? < 0 => Reply::Nothing,
        "$" => {
            let length = number()? as usize;
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes).await?;
            Reply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
        }
        "*" => {
            let mut items = Vec::new();
            for _ in 0..number()? {
                items.push(Box::pin(read(stream)).await?);
            }
            Reply::List(items)
        }
        _ => return Err(Error::other(format!("not a reply of Redis: {line}"))),
    })
}
