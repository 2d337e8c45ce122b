//! What `/api/v1/import/csv` takes: the argument `format` up to the first newline, and the body. What is taken can be
//! sent as remote write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::config::BadLines;
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::lines::Imported;
use pmm_buffer::ingest::{Limits, csv};
use pmm_buffer::wire;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(format) = std::str::from_utf8(&data[..end]) else { return };
    let Ok(arguments) = Arguments::of(None, Some(&format!("format={format}"))) else { return };
    let limits = Limits::of_bytes(32 << 20);
    let import = Import { arguments, accepted_ms: 1_700_000_000_000, limits, bad_lines: BadLines::Skip };
    let Ok(Imported { push, .. }) = csv::decode(&data[end + 1..], &import) else { return };
    let mut sent = Vec::new();
    wire::encode(&push, &mut sent);
    assert_eq!(wire::decode(sent).as_ref(), Ok(&push));
});
