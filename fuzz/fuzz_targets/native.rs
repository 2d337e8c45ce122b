//! Bodies of `/api/v1/import/native`, unpacked. What is taken stays within its bound and can be sent as remote write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::config::BadLines;
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::{Limits, native};
use pmm_buffer::wire;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::of_bytes(1 << 20);
    let (arguments, bad_lines) = (Arguments::default(), BadLines::Refuse);
    let import = Import { arguments, accepted_ms: 1_700_000_000_000, limits, bad_lines };
    let Ok(push) = native::decode(data, &import) else { return };
    assert!(size_of_val(push.samples()) <= limits.unpacked_bytes);
    let mut sent = Vec::new();
    wire::encode(&push, &mut sent);
    assert_eq!(wire::decode(sent).as_ref(), Ok(&push));
});
