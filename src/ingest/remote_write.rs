//! Remote write 1.0: a packed `WriteRequest`.
//!
//! Source: the remote-write 1.0 specification (prometheus.io/docs/specs/prw/remote_write_spec), and what
//! VictoriaMetrics takes beyond it (zstd).

use super::encoding::{self, Packing};
use super::{Limits, Refusal, labels, one_line};
use crate::model::Push;
use crate::wire;

const OUR_MESSAGE: &[u8] = b"prometheus.WriteRequest";

/// Refuses a `Content-Type` that names another message than remote write 1.0's, as version 2.0 does. What
/// names no message is taken: the field came with 2.0.
pub fn check_content_type(content_type: Option<&[u8]>) -> Result<(), Refusal> {
    let Some(content_type) = content_type else { return Ok(()) };
    for parameter in content_type.split(|byte| *byte == b';').skip(1) {
        let parameter = parameter.trim_ascii();
        let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (parameter[..at].trim_ascii(), parameter[at + 1..].trim_ascii());
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        if name.eq_ignore_ascii_case(b"proto") && value != OUR_MESSAGE {
            let value = String::from_utf8_lossy(value);
            return Err(Refusal::Unsupported(format!(
                "message {} is not taken yet; send remote write 1.0 (prometheus.WriteRequest)",
                one_line(&value)
            )));
        }
    }
    Ok(())
}

/// Decodes a body as it came.
pub fn decode(body: &[u8], packing: Packing, limits: Limits) -> Result<Push, Refusal> {
    let unpacked = encoding::unpack(body, packing, limits)?;
    wire::decode_with(unpacked, labels::tidy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PushBuilder, Sample, Span};

    const LIMITS: Limits = Limits { unpacked_bytes: 1 << 20 };

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
    fn only_another_message_is_refused_by_its_content_type() {
        for taken in [
            "application/x-protobuf",
            "application/x-protobuf;proto=prometheus.WriteRequest",
            "application/x-protobuf; proto=\"prometheus.WriteRequest\"; charset=x",
            "text/plain",
            "",
        ] {
            assert_eq!(check_content_type(Some(taken.as_bytes())), Ok(()), "{taken}");
        }
        let refused =
            check_content_type(Some(b"application/x-protobuf; Proto=io.prometheus.write.v2.Request"));
        assert!(matches!(refused, Err(Refusal::Unsupported(what)) if what.contains("write.v2.Request")));
    }
}
