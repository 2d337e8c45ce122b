//! Keys of Prometheus that have no place here. Each is known, so that a block pastes in, and says what
//! becomes of it: ignored where that loses nothing and weakens nothing (a warning), else refused (an error).

use super::auth::refuse;
use super::raw;
use super::value::Reader;
use super::yaml::{Node, Value};

/// Reports the keys of an entry that are not used.
pub(super) fn report(raw: &raw::RemoteWrite, reader: &mut Reader) {
    for (node, instead) in [
        (&raw.sigv4, NO_OTHER_AUTH),
        (&raw.azuread, NO_OTHER_AUTH),
        (&raw.google_iam, NO_OTHER_AUTH),
        (&raw.http_headers, "write the names and values under `headers`"),
        (&raw.no_proxy, "leave `proxy_url` out where no proxy is needed"),
        (&raw.proxy_connect_header, "a proxy gets only the user and password of `proxy_url`"),
    ] {
        refuse(node.as_ref(), instead, reader);
    }
    if let Some(node) = raw.write_relabel_configs.as_ref().filter(|node| !is_empty(node)) {
        // To ignore it would send what was meant to be dropped or changed.
        reader.problems.error(
            &node.spot,
            "not supported: what is pushed is sent unchanged; relabel in what pushes, or in the upstream",
        );
    }
    if let Some(message) = raw.protobuf_message.as_ref()
        && let Some((spot, text)) = reader.text(Some(message))
        && text != "prometheus.WriteRequest"
    {
        reader
            .problems
            .error(spot, "not supported: only remote write 1.0 is sent, `prometheus.WriteRequest`");
    }
    if let Some(node) = &raw.proxy_from_environment
        && reader.flag(Some(node)) == Some(true)
    {
        reader.problems.error(&node.spot, "not supported: write the proxy as `proxy_url`");
    }
    // What asks for what is done anyway needs no word; false is the default of Prometheus.
    for node in [&raw.send_exemplars, &raw.send_native_histograms].into_iter().flatten() {
        ignore_when(false, node, "what is pushed is carried as it came", reader);
    }
    ignore(&raw.metadata_config, "metadata is carried as it is pushed", reader);
    for (node, why) in [
        (&raw.follow_redirects, "a redirect is an error here: write the URL that answers itself"),
        (&raw.enable_http2, "HTTP/1.1 is spoken"),
        (&raw.round_robin_dns, "a name is resolved anew for each connection"),
    ] {
        if let Some(node) = node {
            ignore_when(true, node, why, reader);
        }
    }
}

const NO_OTHER_AUTH: &str =
    "write `basic_auth`, `authorization`, `oauth2` or a client certificate in `tls_config`";

/// Reports the keys of `queue_config` that are not used: the queue is on disk, and one request is in flight.
pub(super) fn report_queue_config(raw: &raw::QueueConfig, reader: &mut Reader) {
    const IN_ORDER: &str = "one request is in flight, which keeps the order";
    ignore(&raw.capacity, "the queue is on disk: see `queue.max_bytes`", reader);
    ignore(&raw.min_shards, IN_ORDER, reader);
    ignore(&raw.max_shards, IN_ORDER, reader);
    ignore(&raw.batch_send_deadline, "what is there is sent at once", reader);
    if let Some(node) = &raw.retry_on_http_429 {
        ignore_when(false, node, "429 is always retried: nothing is dropped for it", reader);
    }
    // It would drop what an outage held up, which is what this agent is there for. To ignore it loses
    // nothing.
    if let Some(node) = &raw.sample_age_limit
        && reader.text(Some(node)).is_some_and(|(_, text)| !matches!(text, "0" | "0s"))
    {
        ignore(&raw.sample_age_limit, "nothing is dropped for its age: see `queue.max_bytes`", reader);
    }
}

fn ignore(node: &Option<Node>, why: &str, reader: &mut Reader) {
    if let Some(node) = node {
        reader.problems.warn(&node.spot, format!("ignored: {why}"));
    }
}

/// Reports a truth value that asks for something else than what is done.
fn ignore_when(differs: bool, node: &Node, why: &str, reader: &mut Reader) {
    if reader.flag(Some(node)) == Some(differs) {
        reader.problems.warn(&node.spot, format!("ignored: {why}"));
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::List(items) if items.is_empty())
}
