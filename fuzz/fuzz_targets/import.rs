//! What stands around the body of an import: path and query, divided by the first newline, and the packed body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::ingest::Limits;
use pmm_buffer::ingest::encoding::Encoding;
use pmm_buffer::ingest::import::Arguments;

const LIMITS: Limits = Limits::of_bytes(1 << 20);

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let (group, query) = text.split_once('\n').unwrap_or(("job/a", text));
        let _ = Arguments::of(Some(group), Some(query));
    }
    for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Snappy] {
        if let Ok(unpacked) = encoding.unpack(data.to_vec(), LIMITS) {
            assert!(unpacked.len() <= LIMITS.unpacked_bytes);
        }
    }
});
