//! Remote write: a packed `WriteRequest` of 1.0, or `Request` of 2.0.
//!
//! Source: the remote-write specifications (prometheus.io/docs/specs/prw/remote_write_spec and remote_write_spec_2_0), and
//! what VictoriaMetrics takes beyond them (zstd).

use super::encoding::{self, Packing};
use super::{Limits, Refusal, labels, one_line};
use crate::model::Push;
use crate::wire::{self, MostV2, NotCarried};

/// What a body holds, by the parameter `proto` of its `Content-Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// `prometheus.WriteRequest`, and what names no message: the parameter came with 2.0.
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

impl Message {
    /// The message that a `Content-Type` names.
    pub fn of(content_type: Option<&[u8]>) -> Result<Self, Refusal> {
        let Some(content_type) = content_type else { return Ok(Self::V1) };
        for parameter in content_type.split(|byte| *byte == b';').skip(1) {
            let parameter = parameter.trim_ascii();
            let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (parameter[..at].trim_ascii(), parameter[at + 1..].trim_ascii());
            let value =
                value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
            if !name.eq_ignore_ascii_case(b"proto") {
                continue;
            }
            return match value {
                b"prometheus.WriteRequest" => Ok(Self::V1),
                b"io.prometheus.write.v2.Request" => Ok(Self::V2),
                other => Err(Refusal::Unsupported(format!(
                    "message {} is not known; send prometheus.WriteRequest or io.prometheus.write.v2.Request",
                    one_line(&String::from_utf8_lossy(other))
                ))),
            };
        }
        Ok(Self::V1)
    }
}

/// Decodes a body of 2.0 as it came. `wants` says which metadata is to be part of the push.
pub fn decode_v2(
    body: &[u8],
    packing: Packing,
    limits: Limits,
    wants: impl FnMut(&[u8]) -> bool,
) -> Result<(Push, NotCarried), Refusal> {
    let unpacked = encoding::unpack(body, packing, limits)?;
    let most = MostV2 { bytes: limits.unpacked_bytes, symbols: limits.bounds.symbols };
    let tidy = |series, section: &mut [u8]| labels::tidy(series, section, &limits);
    let (push, not_carried) = wire::decode_v2(&unpacked, most, tidy, wants)?;
    limits.hold_counts(push.counts())?;
    Ok((push, not_carried))
}

/// Decodes a body of 1.0 as it came.
pub fn decode(body: &[u8], packing: Packing, limits: Limits) -> Result<Push, Refusal> {
    let unpacked = encoding::unpack(body, packing, limits)?;
    let push: Push = wire::decode_with(unpacked, |series, section| labels::tidy(series, section, &limits))?;
    limits.hold_counts(push.counts())?;
    Ok(push)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PushBuilder, Sample, Span};

    const LIMITS: Limits = Limits::of_bytes(1 << 20);

    fn request(sections: &[&[(&str, &str)]]) -> Vec<u8> {
        let mut builder = PushBuilder::default();
        for section in sections {
            let labels = builder.store_with(|out| {
                for (name, value) in *section {
                    wire::append_label(out, name.as_bytes(), value.as_bytes());
                }
            });
            builder.sample(Sample { value: 1.5, timestamp: 1_000 });
            builder.series(labels, Span::default());
        }
        let mut out = Vec::new();
        wire::encode(&builder.finish(), &mut out);
        out
    }

    fn packed(body: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(body).unwrap()
    }

    #[test]
    fn labels_come_out_sorted() {
        let unsorted = request(&[&[("job", "x"), ("__name__", "up")], &[("__name__", "down")]]);
        let sorted = request(&[&[("__name__", "up"), ("job", "x")], &[("__name__", "down")]]);
        let decode = |body: &[u8]| decode(&packed(body), Packing::Snappy, LIMITS).unwrap();
        assert_eq!(decode(&unsorted), decode(&sorted));
    }

    #[test]
    fn one_bad_series_refuses_the_request() {
        let body = request(&[&[("__name__", "up")], &[]]);
        let refused = decode(&packed(&body), Packing::Snappy, LIMITS).unwrap_err();
        assert_eq!(refused, Refusal::Bad("series 1: it has no labels".into()));
    }

    #[test]
    fn bad_protobuf_is_refused_with_its_place() {
        let mut body = request(&[&[("__name__", "up")]]);
        body.push(0x0a);
        let refused = decode(&packed(&body), Packing::Snappy, LIMITS).unwrap_err();
        assert!(
            refused.to_string().starts_with(&format!("bad protobuf at byte {}", body.len())),
            "{refused}"
        );
    }

    #[test]
    fn the_content_type_names_the_message() {
        for v1 in [
            "application/x-protobuf",
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "application/x-protobuf; proto=\"prometheus.WriteRequest\"; charset=x",
            "text/plain",
            "",
        ] {
            assert_eq!(Message::of(Some(v1.as_bytes())), Ok(Message::V1), "{v1}");
        }
        let v2 = b"application/x-protobuf; Proto=io.prometheus.write.v2.Request";
        assert_eq!(Message::of(Some(v2)), Ok(Message::V2));
        let refused = Message::of(Some(b"application/x-protobuf;proto=io.prometheus.write.v3.Request"));
        assert!(matches!(refused, Err(Refusal::Unsupported(what)) if what.contains("write.v3.Request")));
    }
}
