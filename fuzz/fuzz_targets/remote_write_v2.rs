//! Bodies of remote write 2.0. What is taken stays within its bound, and reads back from the form that goes upstream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::wire::{self, MostV2, WireError};

const MOST: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let most = MostV2 { bytes: MOST, symbols: MOST };
    let decoded = wire::decode_v2::<WireError>(data, most, |_, section| Ok(section.len()), |_| true);
    if let Ok((push, _)) = decoded {
        let held: usize = push.series().map(|series| series.labels.len() + series.extras.len()).sum();
        assert!(held <= MOST, "{held} bytes");
        let mut sent = Vec::new();
        wire::encode(&push, &mut sent);
        assert_eq!(wire::decode(sent).map(|push| push.counts()), Ok(push.counts()));
    }
});
