//! `url` and `urls` of an entry: where to send to, in the order of preference.

use super::problem::Spot;
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{Upstream, UpstreamKind, transport};

/// The URLs of one of the two keys; none where something is wrong, which is reported.
pub(super) fn urls(url: Option<&Node>, urls: Option<&Node>, reader: &mut Reader) -> Vec<String> {
    let Some(list) = urls else { return transport::url(url, reader).into_iter().collect() };
    if url.is_some() {
        reader.problems.error(&list.spot, "beside `url`: remove one, `urls` is a list of several");
    }
    let Value::List(items) = &list.value else {
        let message =
            format!("expected a list of URLs, the first is the one to use; found {}", list.value.kind());
        reader.problems.error(&list.spot, message);
        return Vec::new();
    };
    if !(1..=Upstream::MAX_URLS).contains(&items.len()) {
        let message = format!("a list of {}: write 1 to {} URLs", items.len(), Upstream::MAX_URLS);
        reader.problems.error(&list.spot, message);
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        if matches!(item.value, Value::Null) {
            reader.problems.error(&item.spot, "an empty item: write a URL, or remove it");
        }
        let Some(url) = transport::url(Some(item), reader) else { continue };
        if found.contains(&url) {
            reader.problems.warn(
                &item.spot,
                "the same URL as one before: it is tried twice, and no other stands in for it",
            );
        }
        found.push(url);
    }
    found
}

/// Reports URLs whose answers would be understood in different ways: one `kind` holds for the whole list.
pub(super) fn of_one_kind(urls: &[String], spot: &Spot, reader: &mut Reader) {
    let mut kinds = urls.iter().map(|url| UpstreamKind::of(url));
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        reader.problems.error(
            spot,
            "some paths are of PMM Server and some are not, and their answers mean different things: write paths of \
             one kind, or `kind`",
        );
    }
}
