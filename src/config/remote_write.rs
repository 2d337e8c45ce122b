//! An entry of `remote_write`, but for its credentials (`auth`), its way there (`transport`) and what is
//! taken from Prometheus only to be understood (`prometheus`).

use super::raw;
use super::units::{KIB, MIB, format_duration};
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{Upstream, UpstreamKind, auth, prometheus, transport, urls};
use std::ops::RangeInclusive;
use std::time::Duration;

const REMOTE_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(49);
const MAX_SAMPLES_PER_SEND: RangeInclusive<usize> = 1..=1_000_000;
const MAX_BYTES_PER_SEND: RangeInclusive<u64> = 64 * KIB..=32 * MIB;
const MIN_BACKOFF: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const MAX_BACKOFF: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const NAME_CHARS: usize = 64;

/// Makes an upstream of an entry. A `single` one needs no name.
pub(super) fn upstream(entry: Node, single: bool, reader: &mut Reader) -> Upstream {
    let spot = entry.spot.clone();
    let is_section = matches!(entry.value, Value::Map(_));
    if matches!(entry.value, Value::Null) {
        reader.problems.error(&spot, "an empty entry: write its `url`, or remove it");
    }
    let raw: raw::RemoteWrite = reader.section(Some(entry));
    if is_section && raw.url.is_none() && raw.urls.is_none() && raw.pmm.is_none() {
        reader.problems.error(&spot, "has no `url`: write where to send to");
    }
    if is_section && !single && raw.name.is_none() {
        reader.problems.error(
            &spot,
            "has no `name`: with several entries, each needs one, which names its place in the queue",
        );
    }
    let urls = urls::urls(raw.url.as_ref(), raw.urls.as_ref(), reader);
    let awaits = reader.text(raw.pmm.as_ref()).map(|(_, text)| text.to_owned()).filter(|_| urls.is_empty());
    let mut default = Upstream::new(urls.first().cloned().unwrap_or_default());
    if awaits.is_some() {
        default.kind = UpstreamKind::Pmm;
    }
    let kind = reader.word(raw.kind.as_ref(), &UpstreamKind::WORDS);
    if let (None, Some(node)) = (&raw.kind, &raw.urls) {
        urls::of_one_kind(&urls, &node.spot, reader);
    }
    // Empty where one is missing or wrong, which was reported: it is not the same as any other.
    let name = name(raw.name.as_ref(), reader);
    let name = name.unwrap_or(if single { default.name } else { String::new() });
    prometheus::report(&raw, reader);
    let upstream = Upstream {
        name,
        urls,
        awaits,
        kind: kind.unwrap_or(default.kind),
        remote_timeout: reader
            .duration(raw.remote_timeout.as_ref(), REMOTE_TIMEOUT)
            .unwrap_or(default.remote_timeout),
        max_bytes_per_send: reader.bytes(
            raw.max_bytes_per_send.as_ref(),
            MAX_BYTES_PER_SEND,
            default.max_bytes_per_send,
        ),
        headers: transport::headers(raw.headers, reader),
        proxy: transport::proxy(raw.proxy_url.as_ref(), reader),
        tls: transport::tls(reader.section(raw.tls_config), reader),
        auth: auth::auth(
            auth::Given {
                basic_auth: raw.basic_auth,
                authorization: raw.authorization,
                oauth2: raw.oauth2,
                bearer_token: raw.bearer_token,
                bearer_token_file: raw.bearer_token_file,
            },
            reader,
        ),
        ..default
    };
    with_queue_config(upstream, raw.queue_config, reader)
}

fn name(node: Option<&Node>, reader: &mut Reader) -> Option<String> {
    reader.parsed(node, |text| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if (1..=NAME_CHARS).contains(&text.len()) && text.bytes().all(fits) {
            Ok(text.to_owned())
        } else {
            Err(format!("cannot be a name: write 1 to {NAME_CHARS} of A-Z a-z 0-9 _ . -"))
        }
    })
}

fn with_queue_config(upstream: Upstream, node: Option<Node>, reader: &mut Reader) -> Upstream {
    let raw: raw::QueueConfig = reader.section(node);
    prometheus::report_queue_config(&raw, reader);
    let errors = reader.problems.error_count();
    let min_backoff = reader.duration(raw.min_backoff.as_ref(), MIN_BACKOFF);
    let max_backoff = reader.duration(raw.max_backoff.as_ref(), MAX_BACKOFF);
    let (least, most) =
        (min_backoff.unwrap_or(upstream.min_backoff), max_backoff.unwrap_or(upstream.max_backoff));
    // The one that was given is to blame.
    let given = raw.max_backoff.as_ref().or(raw.min_backoff.as_ref());
    if let Some(node) = given
        && most < least
        && reader.problems.error_count() == errors
    {
        let [least, most] = [least, most].map(format_duration);
        reader.problems.error(
            &node.spot,
            format!("max_backoff ({most}) is below min_backoff ({least}): raise the one or lower the other"),
        );
    }
    Upstream {
        max_samples_per_send: reader
            .count(raw.max_samples_per_send.as_ref(), MAX_SAMPLES_PER_SEND)
            .unwrap_or(upstream.max_samples_per_send),
        min_backoff: least,
        max_backoff: most,
        ..upstream
    }
}
