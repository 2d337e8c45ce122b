//! Content-Encoding: packed bodies → bodies.
//!
//! Two rules keep a small body from filling memory: the size it declares is held against the limit, and against
//! what its bytes could unpack to, before anything is allocated; and what declares no size is unpacked piece by
//! piece up to the limit.

use super::{Limits, Refusal};
use std::io::Read;
use zstd::zstd_safe;

/// How a remote-write body is packed. Both are snappy's block format and zstd frames, never framed snappy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Snappy,
    Zstd,
}

impl Packing {
    /// What `Content-Encoding` says; snappy where it says nothing, as remote write 1.0 began without it.
    pub fn of(content_encoding: Option<&[u8]>) -> Result<Self, Refusal> {
        let Some(encoding) = content_encoding.map(<[u8]>::trim_ascii) else { return Ok(Self::Snappy) };
        if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"snappy") {
            Ok(Self::Snappy)
        } else if encoding.eq_ignore_ascii_case(b"zstd") {
            Ok(Self::Zstd)
        } else {
            Err(unsupported(encoding, "snappy or zstd"))
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Snappy => Self::Zstd,
            Self::Zstd => Self::Snappy,
        }
    }

    fn unpack(self, body: &[u8], limits: Limits) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Snappy => snappy(body, limits.unpacked_bytes),
            Self::Zstd => zstd(body, limits.unpacked_bytes),
        }
    }
}

/// How an import body is packed: all that VictoriaMetrics takes. `deflate` is zlib's format and snappy's is the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
    Snappy,
}

impl Encoding {
    const NAMES: [(&'static str, Self); 6] = [
        ("identity", Self::Identity),
        ("none", Self::Identity),
        ("gzip", Self::Gzip),
        ("deflate", Self::Deflate),
        ("zstd", Self::Zstd),
        ("snappy", Self::Snappy),
    ];

    /// What `Content-Encoding` says; not packed where it says nothing.
    pub fn of(content_encoding: Option<&[u8]>) -> Result<Self, Refusal> {
        let encoding = content_encoding.unwrap_or_default().trim_ascii();
        if encoding.is_empty() {
            return Ok(Self::Identity);
        }
        let known = Self::NAMES.into_iter().find(|(name, _)| encoding.eq_ignore_ascii_case(name.as_bytes()));
        known
            .map(|(_, known)| known)
            .ok_or_else(|| unsupported(encoding, "gzip, deflate, zstd, snappy or identity"))
    }

    /// Unpacks a body, all of it: one that is cut, and one with more behind its end, is refused. No other encoding is
    /// tried, as for remote write: text packed in any way but the one that is named is not sent by any known pusher.
    pub fn unpack(self, body: Vec<u8>, limits: Limits) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => gzip(&body, limits.unpacked_bytes),
            Self::Deflate => deflate(&body, limits.unpacked_bytes),
            Self::Zstd if body.is_empty() => Err(Refusal::Bad("bad zstd: the body is empty".into())),
            Self::Zstd => zstd(&body, limits.unpacked_bytes),
            Self::Snappy => snappy(&body, limits.unpacked_bytes),
        }
    }
}

fn unsupported(encoding: &[u8], taken: &str) -> Refusal {
    let encoding = String::from_utf8_lossy(encoding);
    Refusal::Unsupported(format!("Content-Encoding {encoding} is not taken here; send {taken}"))
}

/// Unpacks a remote-write body. Where it does not unpack as `packing`, the other one is tried: some senders'
/// headers lie, and VictoriaMetrics takes them (lib/protoparser/promremotewrite/stream).
pub fn unpack(body: &[u8], packing: Packing, limits: Limits) -> Result<Vec<u8>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::Bad("the body is empty".into()));
    }
    packing.unpack(body, limits).or_else(|first| packing.other().unpack(body, limits).map_err(|_| first))
}

pub(super) fn too_large(limit: usize) -> Refusal {
    Refusal::TooLarge(format!(
        "the body unpacks to more than {limit} bytes (server.max_body_bytes); send smaller requests"
    ))
}

/// A copy of 64 bytes takes 3 (snappy's format_description.txt, 2.2.2): nothing unpacks to more than 22 times
/// its size, and what claims to is not allocated for.
const SNAPPY_RATIO: usize = 22;

fn snappy(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let bad = |what: String| Refusal::Bad(format!("bad snappy: {what}"));
    let declared = snap::raw::decompress_len(body).map_err(|error| bad(error.to_string()))?;
    if declared / SNAPPY_RATIO > body.len() {
        return Err(bad(format!("{} bytes cannot unpack to the {declared} they declare", body.len())));
    }
    if declared > limit {
        return Err(too_large(limit));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|error| bad(error.to_string()))
}

fn zstd(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let declared = zstd_safe::get_frame_content_size(body).ok().flatten();
    let declared = declared.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    match declared {
        Some(declared) if declared > limit => Err(too_large(limit)),
        // One frame that says its size, as agents send it; anything else goes the long way.
        Some(declared) => zstd::bulk::decompress(body, declared).or_else(|_| zstd_stream(body, limit)),
        None => zstd_stream(body, limit),
    }
}

/// Members in a row are one body.
fn gzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    read(flate2::bufread::MultiGzDecoder::new(body), limit, |error| {
        Refusal::Bad(format!("bad gzip: {error}"))
    })
}

/// Driven by hand, as the crate's reader takes a stream that is cut for one that has ended.
fn deflate(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let bad = |what: &str| Refusal::Bad(format!("bad deflate: {what}"));
    let mut decoder = flate2::Decompress::new(true);
    let mut out = Vec::new();
    loop {
        out.reserve(8 << 10);
        let before = (decoder.total_in(), out.len());
        let rest = &body[before.0 as usize..];
        let status = decoder.decompress_vec(rest, &mut out, flate2::FlushDecompress::None);
        let status = status.map_err(|error| bad(&error.to_string()))?;
        if out.len() > limit {
            return Err(too_large(limit));
        }
        match status {
            flate2::Status::StreamEnd if decoder.total_in() == body.len() as u64 => return Ok(out),
            flate2::Status::StreamEnd => return Err(bad("there is more behind its end")),
            _ if (decoder.total_in(), out.len()) == before => return Err(bad("it is cut")),
            _ => {}
        }
    }
}

fn zstd_stream(body: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let bad = |error: std::io::Error| Refusal::Bad(format!("bad zstd: {error}"));
    read(zstd::stream::read::Decoder::with_buffer(body).map_err(bad)?, limit, bad)
}

/// Reads what is unpacked, to its end or to the limit.
fn read(
    unpacked: impl Read,
    limit: usize,
    bad: impl FnOnce(std::io::Error) -> Refusal,
) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    unpacked.take(limit as u64 + 1).read_to_end(&mut out).map_err(bad)?;
    if out.len() > limit { Err(too_large(limit)) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const LIMITS: Limits = Limits::of_bytes(1 << 20);

    fn pack(packing: Packing, body: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Snappy => snap::raw::Encoder::new().compress_vec(body).unwrap(),
            Packing::Zstd => zstd::bulk::compress(body, 1).unwrap(),
        }
    }

    fn packing() -> impl Strategy<Value = Packing> {
        prop_oneof![Just(Packing::Snappy), Just(Packing::Zstd)]
    }

    fn encode(encoding: Encoding, body: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::default();
        match encoding {
            Encoding::Identity => body.to_vec(),
            Encoding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => pack(Packing::Zstd, body),
            Encoding::Snappy => pack(Packing::Snappy, body),
        }
    }

    const PACKED: [Encoding; 4] = [Encoding::Gzip, Encoding::Deflate, Encoding::Zstd, Encoding::Snappy];

    fn encoding() -> impl Strategy<Value = Encoding> {
        prop::sample::select(PACKED.to_vec())
    }

    #[test]
    fn members_of_gzip_in_a_row_are_one_body() {
        let body = [encode(Encoding::Gzip, b"one\n"), encode(Encoding::Gzip, b"two\n")].concat();
        assert_eq!(Encoding::Gzip.unpack(body, LIMITS), Ok(b"one\ntwo\n".to_vec()));
    }

    #[test]
    fn an_import_body_beyond_the_limit_is_too_large_and_at_it_is_taken() {
        for encoding in PACKED {
            let mut body = vec![b'7'; LIMITS.unpacked_bytes];
            assert_eq!(encoding.unpack(encode(encoding, &body), LIMITS), Ok(body.clone()), "{encoding:?}");
            body.push(b'7');
            let refused = encoding.unpack(encode(encoding, &body), LIMITS);
            assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{encoding:?}: {refused:?}");
        }
    }

    #[test]
    fn an_import_body_that_is_no_such_thing_is_refused() {
        for encoding in PACKED {
            for body in [&b""[..], b"up 1\n", b"\x1f\x8b\x08"] {
                let refused = encoding.unpack(body.to_vec(), LIMITS);
                assert!(matches!(refused, Err(Refusal::Bad(_))), "{encoding:?}: {refused:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn an_import_body_unpacks(body in prop::collection::vec(0..4u8, 0..50_000), encoding in encoding()) {
            prop_assert_eq!(encoding.unpack(encode(encoding, &body), LIMITS), Ok(body));
        }

        #[test]
        fn an_import_body_that_is_cut_or_goes_on_is_refused(
            body in prop::collection::vec(any::<u8>(), 100..500), encoding in encoding(),
            cut in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 1..20),
        ) {
            let whole = encode(encoding, &body);
            let cut = whole[..cut.index(whole.len())].to_vec();
            prop_assert!(matches!(encoding.unpack(cut, LIMITS), Err(Refusal::Bad(_))));
            prop_assert!(matches!(encoding.unpack([whole, more].concat(), LIMITS), Err(Refusal::Bad(_))));
        }

        #[test]
        fn no_bytes_make_an_import_body_panic(
            body in prop::collection::vec(any::<u8>(), 0..200), encoding in encoding(),
        ) {
            let _ = encoding.unpack(body, LIMITS);
        }

        #[test]
        fn a_body_unpacks_whatever_its_header_said(
            body in prop::collection::vec(0..4u8, 0..5_000), packed in packing(), said in packing(),
        ) {
            prop_assert_eq!(unpack(&pack(packed, &body), said, LIMITS), Ok(body));
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), said in packing()) {
            let _ = unpack(&body, said, LIMITS);
        }

        #[test]
        fn a_cut_body_is_refused(body in prop::collection::vec(any::<u8>(), 100..500), packed in packing(), cut in 1..90usize) {
            let whole = pack(packed, &body);
            prop_assert!(unpack(&whole[..whole.len() - cut], packed, LIMITS).is_err());
        }
    }

    #[test]
    fn frames_without_a_size_and_several_in_a_row_unpack() {
        let mut stream = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        stream.write_all(b"one").unwrap();
        let mut packed = stream.finish().unwrap();
        assert_eq!(zstd_safe::get_frame_content_size(&packed).ok().flatten(), None);
        assert_eq!(unpack(&packed, Packing::Zstd, LIMITS), Ok(b"one".to_vec()));
        packed.splice(0..0, pack(Packing::Zstd, b"zero"));
        assert_eq!(unpack(&packed, Packing::Zstd, LIMITS), Ok(b"zeroone".to_vec()));
    }

    #[test]
    fn what_is_too_large_is_refused_as_that_and_at_the_limit_it_is_taken() {
        for packing in [Packing::Snappy, Packing::Zstd] {
            let at = vec![7; LIMITS.unpacked_bytes];
            assert_eq!(unpack(&pack(packing, &at), packing, LIMITS), Ok(at.clone()));
            let beyond = vec![7; LIMITS.unpacked_bytes + 1];
            let refused = unpack(&pack(packing, &beyond), packing, LIMITS);
            assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_bomb_of_frames_without_a_size_stops_at_the_limit() {
        let mut stream = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..64 {
            stream.write_all(&[0; 1 << 20]).unwrap();
        }
        let refused = unpack(&stream.finish().unwrap(), Packing::Zstd, LIMITS);
        assert!(matches!(refused, Err(Refusal::TooLarge(_))), "{refused:?}");
    }

    #[test]
    fn a_size_that_the_bytes_cannot_hold_is_not_allocated() {
        // 0xffff_ffff as a varint, then three bytes.
        let refused = unpack(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0], Packing::Snappy, LIMITS);
        assert!(matches!(&refused, Err(Refusal::Bad(what)) if what.contains("cannot unpack")), "{refused:?}");
    }

    #[test]
    fn encodings_that_are_not_taken_are_named() {
        let text = Packing::of(Some(b"br")).unwrap_err().to_string();
        assert_eq!(text, "Content-Encoding br is not taken here; send snappy or zstd");
        let text = Encoding::of(Some(b"br")).unwrap_err().to_string();
        assert_eq!(
            text,
            "Content-Encoding br is not taken here; send gzip, deflate, zstd, snappy or identity"
        );
        assert_eq!(Encoding::of(Some(b" identity ")), Ok(Encoding::Identity));
        assert_eq!(Encoding::of(Some(b"GZIP")), Ok(Encoding::Gzip));
        assert_eq!(Encoding::of(None), Ok(Encoding::Identity));
        assert_eq!(Packing::of(None), Ok(Packing::Snappy));
        assert_eq!(Packing::of(Some(b"ZSTD")), Ok(Packing::Zstd));
    }
}
