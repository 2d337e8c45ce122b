//! Bodies of remote write. What is taken goes upstream and through the queue's codec, and comes back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::ingest::encoding::Packing;
use pmm_buffer::ingest::{Limits, remote_write};
use pmm_buffer::queue::columns::{Decoder, Encoder};
use pmm_buffer::wire;

const LIMITS: Limits = Limits::of_bytes(32 << 20);

fuzz_target!(|data: &[u8]| {
    // What is wrong with the labels is not looked at here, so that more of what is made reaches the codec.
    if let Ok(push) = wire::decode(data.to_vec()) {
        let mut sent = Vec::new();
        wire::encode(&push, &mut sent);
        assert_eq!(wire::decode(sent.clone()).as_ref(), Ok(&push));
        let mut payload = Vec::new();
        Encoder::new().encode(&push, 0, &mut payload);
        assert_eq!(Decoder::new().decode(&payload, 0, sent.len()).as_ref(), Ok(&push));
    }
    for packing in [Packing::Snappy, Packing::Zstd] {
        let _ = remote_write::decode(data, packing, LIMITS);
    }
});
