//! Bodies of `/api/v1/import`, unpacked, without their bad lines. What is taken can be sent as remote write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::config::BadLines;
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::lines::Imported;
use pmm_buffer::ingest::{Limits, import_json};
use pmm_buffer::wire;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::of_bytes(32 << 20);
    let (arguments, bad_lines) = (Arguments::default(), BadLines::Skip);
    let import = Import { arguments, accepted_ms: 1_700_000_000_000, limits, bad_lines };
    let Ok(Imported { push, .. }) = import_json::decode(data, &import) else { return };
    let mut sent = Vec::new();
    wire::encode(&push, &mut sent);
    assert_eq!(wire::decode(sent).as_ref(), Ok(&push));
});
