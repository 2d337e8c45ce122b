//! Picks the protocol of a push by its route and headers.

use super::limits::Limits;
use super::push::Pushed;
use super::routes::{self, PushRoute};
use crate::ingest::encoding::{Encoding, Packing};
use crate::ingest::exposition::{self, Format};
use crate::ingest::import::{Arguments, Import};
use crate::ingest::lines::{Imported, Skipped};
use crate::ingest::remote_write::{self, Message};
use crate::ingest::{self, Refusal, csv, import_json, native};
use crate::model::Push;
use crate::wire::NotCarried;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

/// A push, and what of the request is not in it.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) push: Push,
    pub(super) not_carried: NotCarried,
    pub(super) skipped: Skipped,
}

impl From<Imported> for Decoded {
    fn from(Imported { push, skipped }: Imported) -> Self {
        Self { push, skipped, ..Self::default() }
    }
}

/// `wants_metadata` is asked where a protocol says the same metadata again and again.
pub(super) fn decode(
    request: &Pushed<'_>,
    body: Vec<u8>,
    limits: &Limits,
    wants_metadata: impl FnMut(&[u8]) -> bool,
) -> Result<Decoded, Refusal> {
    let Pushed { route, head, accepted_ms, .. } = *request;
    let bad_lines = limits.import.bad_lines;
    let limits =
        ingest::Limits { unpacked_bytes: limits.server.max_body_bytes, bounds: limits.server.bounds };
    let header = |name: HeaderName| head.headers.get(name).map(|value| value.as_bytes());
    let import = || -> Result<(Import, Encoding), Refusal> {
        let arguments = Arguments::of(routes::group(head.uri.path()), head.uri.query())?;
        Ok((Import { arguments, accepted_ms, limits, bad_lines }, Encoding::of(header(CONTENT_ENCODING))?))
    };
    Ok(match route {
        PushRoute::Write | PushRoute::Push => {
            let message = Message::of(header(CONTENT_TYPE))?;
            let packing = Packing::of(header(CONTENT_ENCODING))?;
            if message == Message::V2 {
                let (push, not_carried) = remote_write::decode_v2(&body, packing, limits, wants_metadata)?;
                return Ok(Decoded { push, not_carried, ..Decoded::default() });
            }
            Decoded { push: remote_write::decode(&body, packing, limits)?, ..Decoded::default() }
        }
        PushRoute::Import => {
            let (import, encoding) = import()?;
            import_json::decode(&encoding.unpack(body, limits)?, &import)?.into()
        }
        PushRoute::Csv => {
            let (import, encoding) = import()?;
            csv::decode(&encoding.unpack(body, limits)?, &import)?.into()
        }
        PushRoute::Native => {
            let (import, encoding) = import()?;
            Decoded { push: native::decode(&encoding.unpack(body, limits)?, &import)?, ..Decoded::default() }
        }
        PushRoute::Exposition | PushRoute::Pushgateway => {
            let format = Format::of(header(CONTENT_TYPE))?;
            let (import, encoding) = import()?;
            exposition::decode(&encoding.unpack(body, limits)?, format, &import)?.into()
        }
    })
}
