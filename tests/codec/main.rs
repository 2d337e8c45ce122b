//! The record codec on what real exporters served, and on records that are not as they were written. From outside the
//! library, because what is measured here replaces the global allocator.

mod bounds;
#[path = "../../benches/captures/mod.rs"]
mod captures;
mod round_trip;

use pmm_buffer::model::Push;
use pmm_buffer::queue::columns::Encoder;
use pmm_buffer::wire;

/// 2026-01-01.
const ACCEPTED_MS: i64 = 1_767_225_600_000;

/// A push as it is stored.
#[derive(Debug, Clone)]
struct Record {
    payload: Vec<u8>,
    /// Records since the restart point that it depends on.
    since: u32,
    wire_len: usize,
}

/// Records of `pushes`; a new segment begins with each `per_segment` of them.
fn encode<'a>(pushes: impl IntoIterator<Item = &'a Push>, per_segment: usize) -> Vec<Record> {
    let mut encoder = Encoder::new();
    let encode = |(number, push): (usize, &Push)| {
        if number.is_multiple_of(per_segment) {
            encoder.restart();
        }
        let mut payload = Vec::new();
        let since = encoder.encode(push, ACCEPTED_MS, &mut payload);
        Record { payload, since, wire_len: wire::encoded_len(push) }
    };
    pushes.into_iter().enumerate().map(encode).collect()
}
