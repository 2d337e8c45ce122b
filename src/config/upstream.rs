//! One entry of `remote_write`, validated.

use super::{Secret, SecretSource, pmm};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One entry of `remote_write`.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Names the position in the queue: changing `urls` keeps the backlog, changing `name` starts anew.
    /// Default `default` where there is one entry; 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub name: String,
    /// Absolute http or https URLs, without userinfo: `url` is a list of one. The first is the one to use; the others
    /// stand in for it, in their order. At most [`Upstream::MAX_URLS`], and at least 1 but where `awaits` is something.
    pub urls: Vec<String>,
    /// What `pmm` says, while nothing that it stands for says where to send to: `auto`, or the path of a file.
    pub awaits: Option<String>,
    /// Default by the path of the first URL: see [`UpstreamKind::of`].
    pub kind: UpstreamKind,
    /// Default none.
    pub auth: Auth,
    /// Extra request headers. Values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// For an https URL.
    pub tls: Tls,
    /// HTTP proxy, absolute http URL without userinfo, and its credentials.
    pub proxy: Option<Proxy>,
    /// Deadline of one request. Default 30 s, 1 s to 49 s: the proxies in front of PMM Server cut a request
    /// off at 50 s, and its outcome would never be known.
    pub remote_timeout: Duration,
    /// Samples in one request. Default 150 000, 1 to 1 000 000.
    pub max_samples_per_send: usize,
    /// Bytes in one request, before compression. Default 8 MiB, 64 KiB to 32 MiB, which is what PMM Server
    /// takes.
    pub max_bytes_per_send: usize,
    /// First wait after a failure. Default 200 ms, 10 ms to 1 min.
    pub min_backoff: Duration,
    /// Longest wait after failures. Default 5 s, `min_backoff` to 1 h.
    ///
    /// It is also about how long it takes to notice that the upstream is back.
    pub max_backoff: Duration,
}

impl Upstream {
    /// The name of a single upstream that was given none.
    pub const DEFAULT_NAME: &'static str = "default";

    /// Longest list of `urls`.
    pub const MAX_URLS: usize = 8;

    /// An upstream at one URL, with every other option at its default.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        Self {
            name: Self::DEFAULT_NAME.into(),
            kind: UpstreamKind::of(&url),
            urls: vec![url],
            awaits: None,
            auth: Auth::None,
            headers: Vec::new(),
            tls: Tls::default(),
            proxy: None,
            remote_timeout: Duration::from_secs(30),
            max_samples_per_send: 150_000,
            max_bytes_per_send: 8 << 20,
            min_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
        }
    }

    /// Why there is nowhere to send to, and where it looks; None where there is a URL.
    pub fn nowhere(&self) -> Option<String> {
        let places = pmm::places(self.awaits.as_ref()?);
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        Some(format!("nothing says yet where PMM Server is, looking at {}", places.join(", ")))
    }

    /// One of `urls`, by its place there, without its query, which may hold a token. Empty for one that is not there.
    pub fn public_url(&self, place: usize) -> String {
        let url = self.urls.get(place).map_or("", |url| url);
        url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }
}

/// How an upstream's answers are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamKind {
    /// PMM Server: success is 204 and nothing else; 401 and 403 are retried.
    Pmm,
    /// The remote-write spec: any 2xx is success.
    Prometheus,
}

impl UpstreamKind {
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("pmm", Self::Pmm), ("prometheus", Self::Prometheus)];

    /// The kind that a URL suggests: PMM Server has a path of its own.
    pub fn of(url: &str) -> Self {
        let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        if path.ends_with("/victoriametrics/api/v1/write") { Self::Pmm } else { Self::Prometheus }
    }
}

/// What a request proves its origin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nothing is sent.
    None,
    /// `basic_auth`.
    Basic {
        /// Without a colon.
        username: String,
        /// None is sent as an empty password.
        password: Option<SecretSource>,
    },
    /// `authorization`: a scheme (default Bearer) and its credentials.
    Header {
        /// The first word of the header.
        scheme: String,
        /// The rest of it.
        credentials: SecretSource,
    },
    /// `oauth2`: a token that a server gives out.
    OAuth2(Box<OAuth2>),
}

/// `oauth2`: the client credentials grant of RFC 6749, 4.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth2 {
    /// Not empty.
    pub client_id: String,
    pub client_secret: SecretSource,
    /// Absolute http or https URL, without userinfo.
    pub token_url: String,
    /// Default none: what the server gives such a client.
    pub scopes: Vec<String>,
    /// `endpoint_params`: further parameters of the request for a token. Values may be secrets.
    pub params: Vec<(String, Secret)>,
    /// For an https `token_url`; that of the upstream is another one.
    pub tls: Tls,
    /// On the way to the token server; that of the upstream is another one.
    pub proxy: Option<Proxy>,
}

/// TLS towards an upstream; by default, 1.2 or later with the system's certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate. Goes with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's key. Goes with `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The name the server's certificate has to have. Default: the host of the URL.
    pub server_name: Option<String>,
    /// Takes any certificate. Default false: with true, whoever is in between reads and answers.
    pub insecure_skip_verify: bool,
}

/// An HTTP proxy on the way to an upstream.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Absolute http URL, without userinfo.
    pub url: String,
    /// Username and password, from the userinfo of `proxy_url`.
    pub basic: Option<(String, Secret)>,
}

/// Hides the username too: some proxies take a token there.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let basic = self.basic.as_ref().map(|(_, password)| password);
        f.debug_struct("Proxy").field("url", &self.url).field("basic", &basic).finish()
    }
}
