//! Bodies of `/api/v1/import`, unpacked. What is taken can be sent as remote write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::{ingest, wire};

fuzz_target!(|data: &[u8]| {
    let Ok(push) = ingest::import_json::decode(data) else { return };
    let mut sent = Vec::new();
    wire::encode(&push, &mut sent);
    assert_eq!(wire::decode(sent).as_ref(), Ok(&push));
});
