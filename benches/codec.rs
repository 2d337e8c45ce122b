//! The record codec: µs and bytes a sample, beside zstd of the remote-write bytes, on real scrapes and on
//! the harness' load. `cargo bench --bench codec`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pmm_buffer::harness::Load;
use pmm_buffer::model::Push;
use pmm_buffer::queue::columns::{Decoder, Encoder};
use pmm_buffer::wire;
use std::hint::black_box;

mod captures;

/// 2026-01-01.
const FIRST_MS: i64 = 1_767_225_600_000;

fn synthetic() -> Vec<Push> {
    let mut load = Load::new(7, 1, 1_000);
    (0..100).map(|n| load.next_scrape(FIRST_MS + n * 5_000)).collect()
}

fn samples(pushes: &[Push]) -> u64 {
    pushes.iter().map(|push| push.counts().all_samples()).sum()
}

/// Payloads with the distance to their restart point.
fn encode(pushes: &[Push]) -> Vec<(u32, Vec<u8>)> {
    let mut encoder = Encoder::new();
    let mut payload = Vec::new();
    let mut records = Vec::with_capacity(pushes.len());
    for push in pushes {
        payload.clear();
        let since = encoder.encode(push, FIRST_MS, &mut payload);
        records.push((since, payload.clone()));
    }
    records
}

fn baseline(push: &Push, wire: &mut Vec<u8>, zstd: &mut zstd::bulk::Compressor<'_>) -> usize {
    wire.clear();
    wire::encode(push, wire);
    zstd.compress(wire).expect("it packs").len()
}

fn codec(criterion: &mut Criterion) {
    let captured = captures::ALL.iter().map(|capture| (capture.name, capture.pushes()));
    for (name, pushes) in captured.chain([("synthetic", synthetic())]) {
        let samples = samples(&pushes);
        let records = encode(&pushes);
        let lengths: Vec<_> = pushes.iter().map(wire::encoded_len).collect();
        report(name, &pushes, &records, samples);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(samples)).sample_size(20);
        group.bench_function("encode columns", |bencher| bencher.iter(|| black_box(encode(&pushes).len())));
        group.bench_function("encode zstd of remote write", |bencher| {
            let (mut wire, mut zstd) = (Vec::new(), zstd::bulk::Compressor::new(1).expect("level 1"));
            bencher.iter(|| pushes.iter().map(|push| baseline(push, &mut wire, &mut zstd)).sum::<usize>());
        });
        group.bench_function("decode columns", |bencher| {
            bencher.iter_batched_ref(
                Decoder::new,
                |decoder| {
                    for ((since, payload), length) in records.iter().zip(&lengths) {
                        if *since == 0 {
                            decoder.restart();
                        }
                        black_box(decoder.decode(payload, FIRST_MS, *length).expect("its own record"));
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn report(name: &str, pushes: &[Push], records: &[(u32, Vec<u8>)], samples: u64) {
    let (mut wire, mut zstd) = (Vec::new(), zstd::bulk::Compressor::new(1).expect("level 1"));
    let baseline: usize = pushes.iter().map(|push| baseline(push, &mut wire, &mut zstd)).sum();
    let columns: usize = records.iter().map(|(_, payload)| payload.len()).sum();
    let known: usize = records[1..].iter().map(|(_, payload)| payload.len()).sum();
    let known_samples = samples - pushes[0].counts().all_samples();
    println!(
        "{name}: {samples} samples in {} pushes; bytes a sample: zstd of remote write {:.2}, columns {:.2}, \
         {:.2} once the series are known",
        pushes.len(),
        baseline as f64 / samples as f64,
        columns as f64 / samples as f64,
        known as f64 / known_samples as f64,
    );
}

criterion_group!(benches, codec);
criterion_main!(benches);
