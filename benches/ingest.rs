//! What a push costs before it reaches the queue: unpacking, walking, checking. `cargo bench --bench ingest`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pmm_buffer::config::BadLines;
use pmm_buffer::harness::{Load, NativeBlock, NativeBody, Rng, json_lines, pack, pack_v2};
use pmm_buffer::ingest::encoding::Packing;
use pmm_buffer::ingest::exposition::{self, Format};
use pmm_buffer::ingest::import::{Arguments, Import};
use pmm_buffer::ingest::{Limits, import_json, native, remote_write};
use pmm_buffer::model::{Push, Sample};
use pmm_buffer::wire;
use std::fmt::Write;
use std::hint::black_box;

const SERIES: usize = 1_000;
const LIMITS: Limits = Limits::of_bytes(32 << 20);
/// 2026-01-01.
const FIRST_MS: i64 = 1_767_225_600_000;

fn as_text(push: &Push) -> Vec<u8> {
    let text = |bytes| std::str::from_utf8(bytes).expect("our load is text");
    let mut out = String::new();
    for series in push.series() {
        let name = text(wire::metric_name(series.labels).expect("it has a name"));
        let labels = wire::labels(series.labels).map(|label| label.expect("sound"));
        let others = labels.filter(|label| label.name != b"__name__");
        let others: Vec<_> =
            others.map(|label| format!("{}={:?}", text(label.name), text(label.value))).collect();
        let [Sample { value, timestamp }] = series.samples else { panic!("one sample a series") };
        writeln!(out, "{name}{{{}}} {value} {timestamp}", others.join(",")).expect("in memory");
    }
    out.into_bytes()
}

/// Full blocks, as an export of some hours has them.
const BLOCKS: usize = 16;
const ROWS: usize = 8192;

/// Counters of which the times jitter: neither column can do without a number a sample.
fn full_blocks() -> Vec<u8> {
    let mut body = NativeBody::new(i64::MIN, i64::MAX);
    let mut rng = Rng::new(7);
    let (mut timestamps, mut numbers) = (vec![FIRST_MS], vec![0]);
    for at in 1..ROWS {
        timestamps.push(FIRST_MS + at as i64 * 15_000 + rng.below(100) as i64);
        numbers.push(numbers[at - 1] + rng.below(10_000) as i64);
    }
    for _ in 0..BLOCKS {
        body.add(b"requests\x01job\x01node\x01", &NativeBlock::new(&timestamps, &numbers));
    }
    body.bytes
}

fn ingest(criterion: &mut Criterion) {
    let push = Load::new(7, 1, SERIES).next_scrape(FIRST_MS);
    let mut body = Vec::new();
    wire::encode(&push, &mut body);
    let (snappy_v1, snappy_v2) = (pack(&push), pack_v2(&push));
    let json = json_lines(&push);
    println!(
        "bytes a sample, unpacked: 1.0 {}, 2.0 {}, JSON {}",
        body.len() / SERIES,
        snap::raw::decompress_len(&snappy_v2).expect("sound") / SERIES,
        json.len() / SERIES
    );
    let zstd_v1 = zstd::bulk::compress(&body, 1).expect("it packs").into();
    let mut group = criterion.benchmark_group("ingest");
    group.throughput(Throughput::Elements(SERIES as u64));
    for (name, body, packing) in [
        ("remote write 1.0, snappy", &snappy_v1, Packing::Snappy),
        ("remote write 1.0, zstd", &zstd_v1, Packing::Zstd),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(remote_write::decode(body, packing, LIMITS).expect("sound")));
        });
    }
    group.bench_function("unpacking snappy alone", |bencher| {
        bencher.iter(|| black_box(snap::raw::Decoder::new().decompress_vec(&snappy_v1).expect("sound")));
    });
    group.bench_function("remote write 2.0, snappy", |bencher| {
        bencher.iter(|| {
            black_box(remote_write::decode_v2(&snappy_v2, Packing::Snappy, LIMITS, |_| true).expect("sound"))
        });
    });
    let (arguments, bad_lines) = (Arguments::default(), BadLines::Refuse);
    let import = Import { arguments, accepted_ms: FIRST_MS, limits: LIMITS, bad_lines };
    group.bench_function("import of JSON lines", |bencher| {
        bencher.iter(|| black_box(import_json::decode(&json, &import).expect("sound")));
    });
    let text = as_text(&push);
    group.bench_function("import of Prometheus' text", |bencher| {
        bencher.iter(|| black_box(exposition::decode(&text, Format::Prometheus, &import).expect("sound")));
    });
    let blocks = NativeBody::of(&push).bytes;
    group.bench_function("import of native blocks of one sample", |bencher| {
        bencher.iter(|| black_box(native::decode(&blocks, &import).expect("sound")));
    });
    let blocks = full_blocks();
    group.throughput(Throughput::Elements((BLOCKS * ROWS) as u64));
    group.bench_function("import of full native blocks", |bencher| {
        bencher.iter(|| black_box(native::decode(&blocks, &import).expect("sound")));
    });
    group.finish();
}

criterion_group!(benches, ingest);
criterion_main!(benches);
