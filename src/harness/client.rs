//! An HTTP/1.1 client for one address, with one connection that is kept alive.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long one request may take; a pusher like vmagent waits a minute.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as text; bytes that are none are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Connects when it first has to, and again after any failure. Sends one request at a time.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Gets `path`. An error means that no whole answer came.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Posts `body` to `path` with further headers. An error means that no whole answer came: the request
    /// may have been taken or not.
    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: Bytes) -> io::Result<Answer> {
        self.send(Method::POST, path, headers, body).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> io::Result<Answer> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        // Taken out for the time of the request: what fails or is dropped half way leaves none behind.
        let kept = self.connection.take().filter(|connection| !connection.is_closed());
        let exchange = async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            connection.ready().await.map_err(io::Error::other)?;
            let answer = connection.send_request(request).await.map_err(io::Error::other)?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            Ok((connection, Answer { status: head.status.as_u16(), headers: head.headers, body }))
        };
        let exchanged: io::Result<_> = tokio::time::timeout(PATIENCE, exchange).await?;
        let (connection, answer) = exchanged?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends with the sender. Its error is the error of the request it was for.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}
