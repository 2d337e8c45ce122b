//! Records of one interval, each as `wire_len` and length of its payload (u32, little-endian) and the payload.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pmm_buffer::queue::columns::Decoder;
use pmm_buffer::wire;

/// As much as a push is by default; more is only slower.
const MOST: usize = 32 << 20;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new();
    let mut rest = data;
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (payload, tail) = tail.split_at(number(4).min(tail.len()));
        rest = tail;
        let Ok(push) = decoder.decode(payload, 0, number(0).min(MOST)) else { return };
        // Whatever it is, it can be sent.
        let mut sent = Vec::new();
        wire::encode(&push, &mut sent);
        assert_eq!(sent.len(), wire::encoded_len(&push));
    }
});
