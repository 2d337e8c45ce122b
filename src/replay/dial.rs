//! Connections: names, addresses, TCP, proxy, TLS. Everything is looked up anew for each connection, so that a
//! virtual IP that moved, a name that changed or a file that was replaced is found by the next one.

use super::tls;
use crate::config::{self, Proxy};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::rt::{Read, Write};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// One address has this long to take the connection, so that a dead one does not use up the request's time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What opens a connection gets lost on a silent link, and kernels before Linux 6.5 repeat it only after 1, 3 and 7 s: another
/// is opened beside one that has had no answer for so long. The last of them in [`CONNECT_TIMEOUT`] goes out shortly before it.
const OPEN_AGAIN: Duration = Duration::from_millis(800);
/// A peer that acknowledges nothing for so long is gone: a node that died behind a virtual IP sends no word.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is asked for life after this long.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Why there is no connection, in one line without secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("cannot resolve {host}: {error}")]
    Resolve { host: String, error: io::Error },
    #[error("cannot connect to {host}: it has no address")]
    NoAddress { host: String },
    #[error("cannot connect to {address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
    #[error("TLS with {host} failed: {error}")]
    Tls { host: String, error: io::Error },
    #[error("the proxy {proxy} {what}")]
    Proxy { proxy: String, what: String },
    #[error("the connection to {host} broke: {what}")]
    Broken { host: String, what: String },
    #[error("{0}")]
    Setup(String),
}

/// A connection that takes requests.
pub(super) struct Connection {
    pub(super) requests: SendRequest<Full<Bytes>>,
    /// When it ended, by whoever.
    ended: Arc<OnceLock<Instant>>,
}

impl Connection {
    /// When it ended. One that ends at this moment may not have noted it yet.
    pub(super) fn ended(&self) -> Instant {
        self.ended.get().copied().unwrap_or_else(Instant::now)
    }
}

/// Where an upstream is, taken apart once.
pub(super) struct Target {
    pub(super) uri: Uri,
    host: String,
    port: u16,
    is_https: bool,
    proxy: Option<ProxyTarget>,
    tls: config::Tls,
}

struct ProxyTarget {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
}

impl Target {
    /// What is at `url`, on the way that `proxy` and `tls` say.
    pub(super) fn new(url: &str, proxy: Option<&Proxy>, tls: &config::Tls) -> Result<Self, DialError> {
        let uri: Uri = url.parse().map_err(|_| DialError::Setup("its url does not parse".into()))?;
        let is_https = uri.scheme_str() == Some("https");
        let host = host_of(&uri)?;
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let proxy = proxy.map(ProxyTarget::new).transpose()?;
        Ok(Self { uri, host, port, is_https, proxy, tls: tls.clone() })
    }

    /// The value of `Host`.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// A proxy is asked for whole URLs, unless it is a tunnel.
    pub(super) fn request_uri(&self) -> Uri {
        if self.proxy.is_some() && !self.is_https {
            return self.uri.clone();
        }
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        path.parse().expect("BUG: a part of a URI is one")
    }

    /// Credentials for a proxy that sees the request itself.
    pub(super) fn proxy_authorization(&self) -> Option<&HeaderValue> {
        self.proxy.as_ref().filter(|_| !self.is_https)?.authorization.as_ref()
    }

    pub(super) async fn connect(&self) -> Result<Connection, DialError> {
        let stream = match &self.proxy {
            None => tcp(&self.host, self.port).await?,
            Some(proxy) => tcp(&proxy.host, proxy.port).await?,
        };
        if !self.is_https {
            return handshake(TokioIo::new(stream)).await;
        }
        let config = tls::client_config(&self.tls).map_err(DialError::Setup)?;
        let name = self.tls.server_name.as_deref().unwrap_or(&self.host);
        let name = tls::server_name(name).map_err(DialError::Setup)?;
        let tls_error = |error| DialError::Tls { host: self.host.clone(), error };
        let connector = tokio_rustls::TlsConnector::from(config);
        match &self.proxy {
            None => handshake(TokioIo::new(connector.connect(name, stream).await.map_err(tls_error)?)).await,
            Some(proxy) => {
                let tunnel = proxy.tunnel(stream, &self.host, self.port).await?;
                let stream = connector.connect(name, TokioIo::new(tunnel)).await.map_err(tls_error)?;
                handshake(TokioIo::new(stream)).await
            }
        }
    }
}

impl ProxyTarget {
    fn new(proxy: &Proxy) -> Result<Self, DialError> {
        let uri: Uri =
            proxy.url.parse().map_err(|_| DialError::Setup("its proxy_url does not parse".into()))?;
        let authorization = proxy.basic.as_ref().map(|(user, password)| basic(user, password.expose()));
        Ok(Self { host: host_of(&uri)?, port: uri.port_u16().unwrap_or(80), authorization })
    }

    fn error(&self, what: impl Into<String>) -> DialError {
        DialError::Proxy { proxy: format!("{}:{}", self.host, self.port), what: what.into() }
    }

    /// Asks for a tunnel: RFC 9110, 9.3.6 (CONNECT).
    async fn tunnel(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<hyper::upgrade::Upgraded, DialError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let authority = format!("{host}:{port}");
        let broken = |error: hyper::Error| self.error(format!("broke off: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = authority.parse().map_err(|_| self.error("cannot be asked for that host"))?;
        let value =
            HeaderValue::from_str(&authority).map_err(|_| self.error("cannot be asked for that host"))?;
        request.headers_mut().insert(HOST, value);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let answer = sender.send_request(request).await.map_err(broken)?;
        if !answer.status().is_success() {
            return Err(self.error(format!("refused a tunnel to {authority}: {}", answer.status())));
        }
        hyper::upgrade::on(answer).await.map_err(broken)
    }
}

/// Basic credentials (RFC 7617), marked so that nothing prints them.
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).expect("BUG: base64 is plain text");
    value.set_sensitive(true);
    value
}

fn host_of(uri: &Uri) -> Result<String, DialError> {
    let host = uri.host().ok_or_else(|| DialError::Setup(format!("{uri} names no host")))?;
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

/// Connects to the first address of `host` that answers, in the order the resolver gives them.
async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| DialError::Resolve { host: host.to_owned(), error })?;
    let mut failed = DialError::NoAddress { host: host.to_owned() };
    for address in addresses {
        let connecting = timeout(CONNECT_TIMEOUT, open(address)).await;
        match connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                tune(&stream).map_err(|error| DialError::Connect { address, error })?;
                return Ok(stream);
            }
            Err(error) => failed = DialError::Connect { address, error },
        }
    }
    Err(failed)
}

/// The first of some connections to one address that is made or refused.
async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    loop {
        attempts.spawn(TcpStream::connect(address));
        if let Ok(Some(ended)) = timeout(OPEN_AGAIN, attempts.join_next()).await {
            return ended.unwrap_or_else(|error| Err(error.into()));
        }
    }
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(Duration::from_secs(5)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

async fn handshake<T: Read + Write + Unpin + Send + 'static>(io: T) -> Result<Connection, DialError> {
    let (requests, connection) = http1::handshake(io)
        .await
        .map_err(|error| DialError::Setup(format!("cannot speak HTTP/1.1: {error}")))?;
    let ended = Arc::new(OnceLock::new());
    let end = ended.clone();
    // It ends when the sender is dropped or the peer closes; what went wrong is told to the request.
    tokio::spawn(async move {
        let _ = connection.await;
        end.get_or_init(Instant::now);
    });
    Ok(Connection { requests, ended })
}
