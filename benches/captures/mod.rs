//! The captures of this folder, for benches and tests: what real exporters served, as agents push it. README.md says
//! how they were made. Not part of the library, so that no build carries them.

use pmm_buffer::model::Push;
use pmm_buffer::wire;

/// The scrapes of one exporter.
#[derive(Debug, Clone, Copy)]
pub struct Capture {
    /// The exporter.
    pub name: &'static str,
    packed: &'static [u8],
}

/// All of them.
pub const ALL: [Capture; 3] = [
    Capture { name: "node_exporter", packed: include_bytes!("node_exporter.zst") },
    Capture { name: "mysqld_exporter", packed: include_bytes!("mysqld_exporter.zst") },
    Capture { name: "postgres_exporter", packed: include_bytes!("postgres_exporter.zst") },
];

impl Capture {
    /// The scrapes in order.
    pub fn pushes(&self) -> Vec<Push> {
        let unpacked = zstd::decode_all(self.packed).expect("a capture unpacks");
        let mut rest = unpacked.as_slice();
        let mut pushes = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (body, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
            pushes.push(wire::decode(body.to_vec()).expect("a capture is remote write"));
            rest = tail;
        }
        pushes
    }
}
