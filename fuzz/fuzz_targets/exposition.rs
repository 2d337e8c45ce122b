//! Bodies of `/api/v1/import/prometheus`, unpacked, without their bad lines. What is taken can be sent as remote write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::config::BadLines;
use pmm_buffer::ingest::Limits;
use pmm_buffer::ingest::exposition::{self, Format};
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::lines::Imported;
use pmm_buffer::wire;

fuzz_target!(|data: &[u8]| {
    let limits = Limits::of_bytes(32 << 20);
    // Labels of the path and of an argument are merged with those of the body.
    let arguments = Arguments::of(Some("job/a"), Some("extra_label=le=b")).expect("well-formed");
    let import = Import { arguments, accepted_ms: 1_700_000_000_000, limits, bad_lines: BadLines::Skip };
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let Ok(Imported { push, .. }) = exposition::decode(data, format, &import) else { continue };
        let mut sent = Vec::new();
        wire::encode(&push, &mut sent);
        assert_eq!(wire::decode(sent).as_ref(), Ok(&push));
    }
});
