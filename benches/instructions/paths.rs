//! The hot paths, each as something that can be done again and again.

use crate::captures;
use pmm_buffer::config::BadLines;
use pmm_buffer::harness::{Load, NativeBody, json_lines, pack, pack_v2};
use pmm_buffer::ingest::encoding::Packing;
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::{Limits, import_json, native, remote_write};
use pmm_buffer::model::Push;
use pmm_buffer::queue::columns::{Decoder, Encoder};
use pmm_buffer::wire;
use std::hint::black_box;

const SERIES: usize = 1_000;
const LIMITS: Limits = Limits::of_bytes(32 << 20);
/// 2026-01-01.
const FIRST_MS: i64 = 1_767_225_600_000;

/// A path with what it works on.
pub struct Path {
    /// Samples that one turn takes through it.
    pub samples: usize,
    pub turn: Box<dyn FnMut()>,
}

pub const NAMES: [&str; 8] = [
    "decode remote write 1.0, snappy",
    "decode remote write 1.0, zstd",
    "decode remote write 2.0, snappy",
    "decode JSON lines",
    "decode native blocks of one sample",
    "encode remote write 1.0",
    "encode columns, node_exporter",
    "decode columns, node_exporter",
];

/// The path of this name.
pub fn path(name: &str) -> Path {
    let name = *NAMES.iter().find(|known| **known == name).expect("a path that is listed");
    let push = Load::new(7, 1, SERIES).next_scrape(FIRST_MS);
    let mut body = Vec::new();
    wire::encode(&push, &mut body);
    let (arguments, bad_lines) = (Arguments::default(), BadLines::Refuse);
    let import = Import { arguments, accepted_ms: FIRST_MS, limits: LIMITS, bad_lines };
    let of_load = |turn| Path { samples: SERIES, turn };
    let write_1 = |body: Vec<u8>, packing| -> Box<dyn FnMut()> {
        Box::new(move || drop(black_box(remote_write::decode(&body, packing, LIMITS).expect("sound"))))
    };
    match name {
        "decode remote write 1.0, snappy" => of_load(write_1(pack(&push).to_vec(), Packing::Snappy)),
        "decode remote write 1.0, zstd" => {
            of_load(write_1(zstd::bulk::compress(&body, 1).expect("it packs"), Packing::Zstd))
        }
        "decode remote write 2.0, snappy" => {
            let body = pack_v2(&push);
            let decode =
                move || remote_write::decode_v2(&body, Packing::Snappy, LIMITS, |_| true).expect("sound");
            of_load(Box::new(move || drop(black_box(decode()))))
        }
        "decode JSON lines" => {
            let body = json_lines(&push);
            of_load(Box::new(move || drop(black_box(import_json::decode(&body, &import).expect("sound")))))
        }
        "decode native blocks of one sample" => {
            let body = NativeBody::of(&push).bytes;
            of_load(Box::new(move || drop(black_box(native::decode(&body, &import).expect("sound")))))
        }
        "encode remote write 1.0" => of_load(Box::new(move || {
            body.clear();
            wire::encode(&push, &mut body);
            black_box(body.len());
        })),
        "encode columns, node_exporter" => {
            let pushes = node_exporter();
            Path { samples: samples(&pushes), turn: Box::new(move || drop(black_box(encode(&pushes)))) }
        }
        _ => {
            let pushes = node_exporter();
            let records = encode(&pushes);
            let lengths: Vec<_> = pushes.iter().map(wire::encoded_len).collect();
            let turn = move || {
                let mut decoder = Decoder::new();
                for ((since, payload), length) in records.iter().zip(&lengths) {
                    if *since == 0 {
                        decoder.restart();
                    }
                    black_box(decoder.decode(payload, FIRST_MS, *length).expect("sound"));
                }
            };
            Path { samples: samples(&pushes), turn: Box::new(turn) }
        }
    }
}

fn node_exporter() -> Vec<Push> {
    let capture = captures::ALL.iter().find(|capture| capture.name == "node_exporter");
    capture.expect("it is among them").pushes()
}

/// Payloads with the distance to their restart point.
fn encode(pushes: &[Push]) -> Vec<(u32, Vec<u8>)> {
    let mut encoder = Encoder::new();
    let encode = |push| {
        let mut payload = Vec::new();
        let since = encoder.encode(push, FIRST_MS, &mut payload);
        (since, payload)
    };
    pushes.iter().map(encode).collect()
}

fn samples(pushes: &[Push]) -> usize {
    pushes.iter().map(|push| push.counts().all_samples() as usize).sum()
}
