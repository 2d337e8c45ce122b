//! A server or agent that runs already, by its URL.

use anyhow::{Context, ensure};
use hyper::Uri;
use std::net::SocketAddr;

/// Where pushes go, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    address: SocketAddr,
    path: String,
}

impl Target {
    /// Resolves the host of `url`. An error says what is wrong with the URL.
    pub async fn find(url: &str) -> anyhow::Result<Self> {
        let Parts { host, port, path } = Parts::parse(url)?;
        let resolved = tokio::net::lookup_host((host.as_str(), port)).await;
        let mut resolved = resolved.with_context(|| format!("cannot resolve {host}"))?;
        let address = resolved.next().with_context(|| format!("{host} has no address"))?;
        Ok(Self { url: url.to_owned(), address, path })
    }

    /// As it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Path and query; where remote write is usually taken if the URL has none.
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    host: String,
    port: u16,
    path: String,
}

impl Parts {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is not a URL"))?;
        ensure!(
            uri.scheme_str() == Some("http"),
            "{url} does not begin with http://, and no TLS is spoken here"
        );
        let authority = uri.authority().with_context(|| format!("{url} names no host"))?;
        ensure!(!authority.as_str().contains('@'), "no credentials are sent: leave them out of the URL");
        let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            "/" => "/api/v1/write",
            path => path,
        };
        Ok(Self {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_http_url_with_or_without_a_path() {
        let parts = |host: &str, port, path: &str| Parts { host: host.into(), port, path: path.into() };
        for (url, expected) in [
            ("http://127.0.0.1:8428", parts("127.0.0.1", 8428, "/api/v1/write")),
            ("http://vm/", parts("vm", 80, "/api/v1/write")),
            ("http://[::1]:9/a/write?b=c", parts("::1", 9, "/a/write?b=c")),
        ] {
            assert_eq!(Parts::parse(url).expect(url), expected);
        }
    }

    #[test]
    fn what_cannot_be_pushed_to_is_refused_with_the_reason() {
        for (url, reason) in [
            ("https://pmm.example.com/", "does not begin with http://"),
            ("http://me:secret@vm/", "no credentials"),
            ("no url", "not a URL"),
            ("vm:8428", "does not begin with http://"),
        ] {
            let error = Parts::parse(url).expect_err(url).to_string();
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_host_is_resolved() {
        let target = Target::find("http://127.0.0.1:9431/write").await.expect("loopback");
        assert_eq!((target.address(), target.path()), (([127, 0, 0, 1], 9431).into(), "/write"));
    }
}
