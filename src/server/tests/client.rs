//! A client that sends the bytes it is given, and nothing else.

use super::DEADLINE;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One answer as it came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(super) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        Self { stream, received: Vec::new() }
    }

    /// Sends `bytes`; that the server ended the connection meanwhile shows in what is read next.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let sent = timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("the server reads");
        drop(sent);
    }

    /// Ends the sending side only.
    pub(super) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("still connected");
    }

    /// The head of the next answer.
    pub(super) async fn head(&mut self) -> String {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read_more().await > 0, "closed without an answer: {:?}", self.text());
        };
        String::from_utf8(self.received.drain(..end).collect()).expect("a head is ASCII")
    }

    /// The next answer, 100 Continue included.
    pub(super) async fn answer(&mut self) -> Received {
        let head = self.head().await;
        let status = head[9..12].parse().expect("a status");
        let mut answer = Received { status, head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            assert!(self.read_more().await > 0, "closed within a body: {answer:?}");
        }
        answer.body = String::from_utf8(self.received.drain(..length).collect()).expect("bodies are text");
        answer
    }

    /// Sends a request and returns its answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Received {
        self.send(request).await;
        self.answer().await
    }

    pub(super) async fn get(&mut self, path: &str) -> Received {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).await
    }

    /// Waits for the end of the connection. Panics where something else comes.
    pub(super) async fn closed(&mut self) {
        let read = self.read_more().await;
        assert!(read == 0 && self.received.is_empty(), "expected the end, got {:?}", self.text());
    }

    async fn read_more(&mut self) -> usize {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.received));
        read.await.expect("an answer or the end").unwrap_or(0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
