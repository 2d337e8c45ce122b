//! What people have in their prometheus.yml.

use super::super::{Auth, Secret, SecretSource, UpstreamKind, effective};
use super::{bad, good, warnings};
use std::time::Duration;

/// An entry with every kind of thing that Prometheus' own documentation shows for a real one.
const BLOCK: &str = r#"
remote_write:
  - url: "https://mimir.example.com/api/v1/push"
    name: mimir
    remote_timeout: 30s
    headers:
      X-Scope-OrgID: 1234
    send_exemplars: true
    send_native_histograms: false
    write_relabel_configs: []
    basic_auth:
      username: 12345
      password: 0012e3
    tls_config:
      ca_file: ca.crt
      min_version: TLS12
      insecure_skip_verify: false
    follow_redirects: true
    enable_http2: true
    queue_config:
      capacity: 10000
      max_shards: 50
      min_shards: 1
      max_samples_per_send: 2000
      batch_send_deadline: 5s
      min_backoff: 30ms
      max_backoff: 5s
      retry_on_http_429: true
      sample_age_limit: 0s
    metadata_config:
      send: true
      send_interval: 1m
      max_samples_per_send: 2000
    protobuf_message: prometheus.WriteRequest
"#;

#[test]
fn a_block_pastes_in() {
    let config = good(BLOCK);
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.name.as_str(), upstream.kind), ("mimir", UpstreamKind::Prometheus));
    let password = Some(SecretSource::Inline(Secret::new("0012e3")));
    assert_eq!(upstream.auth, Auth::Basic { username: "12345".into(), password }, "numbers stay as written");
    assert_eq!(upstream.headers, [("X-Scope-OrgID".to_owned(), Secret::new("1234"))]);
    assert_eq!(upstream.max_samples_per_send, 2000);
    assert_eq!(upstream.min_backoff, Duration::from_millis(30));
}

#[test]
fn what_it_ignores_it_says() {
    let warnings = warnings(BLOCK);
    let keys: Vec<&str> = warnings
        .iter()
        .filter_map(|warning| warning.split("remote_write[0].").nth(1)?.split_once(": ").map(|(key, _)| key))
        .collect();
    assert_eq!(
        keys,
        [
            "send_native_histograms",
            "tls_config.ca_file",
            "follow_redirects",
            "enable_http2",
            "queue_config.capacity",
            "queue_config.max_shards",
            "queue_config.min_shards",
            "queue_config.batch_send_deadline",
            "metadata_config",
        ]
    );
}

#[test]
fn older_forms_are_understood() {
    let config = good("remote_write: [{url: 'http://a', bearer_token_file: token}]");
    let credentials = SecretSource::File("/etc/pmm-buffer/token".into());
    assert_eq!(config.upstreams[0].auth, Auth::Header { scheme: "Bearer".into(), credentials });
    let config = good("remote_write: [{url: 'http://a', bearer_token: t}]");
    let credentials = SecretSource::Inline(Secret::new("t"));
    assert_eq!(config.upstreams[0].auth, Auth::Header { scheme: "Bearer".into(), credentials });
}

#[test]
fn what_would_change_the_data_or_its_safety_is_refused() {
    for given in [
        "write_relabel_configs: [{action: drop}]",
        "protobuf_message: io.prometheus.write.v2.Request",
        "sigv4: {region: x}",
        "sigv4: {}",
        "azuread: {cloud: x}",
        "oauth2: {client_id: x, client_secret: y, token_url: 'http://t', grant_type: password}",
        "oauth2: {client_id: x, client_secret: y, token_url: 'http://t', iss: me}",
        "oauth2: {client_id: x, client_secret: y, token_url: 'http://t', endpoint_params: {scope: x}}",
        "oauth2: {client_id: x, client_secret: y}",
        "oauth2: {client_id: x, token_url: 'http://t'}",
        "oauth2: {client_secret: y, token_url: 'http://t'}",
        "oauth2: {client_id: x, client_secret: y, token_url: 'http://t', scopes: ['a b']}",
        "google_iam: {credentials_file: x}",
        "http_headers: {X-A: {values: [x]}}",
        "no_proxy: localhost",
        "proxy_from_environment: true",
        "proxy_connect_header: {X-A: [x]}",
        "tls_config: {min_version: TLS13}",
        "tls_config: {ca: x}",
        "authorization: {type: basic, credentials: x}",
        "headers: {Content-Length: 5}",
        "headers: {host: x}",
        "headers: {AUTHORIZATION: x}",
    ] {
        let errors = bad(&format!("remote_write: [{{url: 'http://a', {given}}}]"));
        assert_eq!(errors.lines().count(), 1, "{errors}");
        let key = given.split(':').next().expect("a key");
        assert!(errors.starts_with("test.yml:1:") && errors.contains(key), "{errors}");
    }
}

#[test]
fn a_proxy_has_its_own_credentials() {
    let proxy = |url: &str| {
        good(&format!("remote_write: [{{url: 'http://a', proxy_url: '{url}'}}]")).upstreams.remove(0).proxy
    };
    let found = proxy("http://us%40er:p%3Aw%25@[::1]:3128/").expect("a proxy");
    assert_eq!(found.url, "http://[::1]:3128");
    assert_eq!(found.basic, Some(("us@er".into(), Secret::new("p:w%"))));
    assert_eq!(proxy("http://proxy").expect("a proxy").basic, None);
    assert_eq!(proxy(""), None);
}

#[test]
fn the_kind_follows_the_path() {
    let kind = |entry: &str| good(&format!("remote_write: [{{{entry}}}]")).upstreams[0].kind;
    assert_eq!(kind("url: 'https://pmm/victoriametrics/api/v1/write'"), UpstreamKind::Pmm);
    assert_eq!(kind("url: 'https://pmm/x/victoriametrics/api/v1/write/?a=b'"), UpstreamKind::Pmm);
    assert_eq!(kind("url: 'https://pmm/api/v1/write'"), UpstreamKind::Prometheus);
    assert_eq!(kind("url: 'https://pmm/?/victoriametrics/api/v1/write'"), UpstreamKind::Prometheus);
    assert_eq!(
        kind("url: 'https://pmm/victoriametrics/api/v1/write', kind: prometheus"),
        UpstreamKind::Prometheus
    );
}

#[test]
fn oauth2_pastes_in() {
    let text = r#"
remote_write:
  - url: https://mimir.example.com/api/v1/push
    oauth2:
      client_id: pmm buffer
      client_secret_file: secret
      scopes: [metrics.write, profile]
      token_url: https://login.example.com/oauth2/token?x=1
      endpoint_params: {audience: mimir, resource: "1"}
      tls_config: {insecure_skip_verify: true}
      proxy_url: http://proxy:3128
"#;
    let config = good(text);
    let Auth::OAuth2(oauth2) = &config.upstreams[0].auth else { panic!("{:?}", config.upstreams[0].auth) };
    assert_eq!(oauth2.client_id, "pmm buffer");
    assert_eq!(oauth2.client_secret, SecretSource::File("/etc/pmm-buffer/secret".into()));
    assert_eq!(oauth2.token_url, "https://login.example.com/oauth2/token?x=1");
    assert_eq!(oauth2.scopes, ["metrics.write", "profile"]);
    assert_eq!(
        oauth2.params,
        [("audience", "mimir"), ("resource", "1")].map(|(n, v)| (n.to_owned(), Secret::new(v)))
    );
    assert!(oauth2.tls.insecure_skip_verify && !config.upstreams[0].tls.insecure_skip_verify);
    assert!(oauth2.proxy.is_some() && config.upstreams[0].proxy.is_none());
    // The way back is read as the same, but for what is masked.
    let shown = effective(&config);
    assert_eq!(effective(&good(&shown)), shown);
}
