//! Picks the protocol of a push by its route and headers.

use super::routes::{self, PushRoute};
use crate::ingest::encoding::{Encoding, Packing};
use crate::ingest::exposition::{self, Format};
use crate::ingest::import::{Arguments, Import};
use crate::ingest::remote_write::{self, Message};
use crate::ingest::{Limits, Refusal, csv, import_json, native};
use crate::model::Push;
use crate::wire::NotCarried;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;

/// A push, and what of the request it has no place for.
pub(super) struct Decoded {
    pub(super) push: Push,
    pub(super) not_carried: NotCarried,
}

/// `accepted_ms` is when the request arrived: what it sends without a time has that one. `wants_metadata` is asked where a
/// protocol says the same metadata again and again.
pub(super) fn decode(
    route: PushRoute,
    head: &Parts,
    body: Vec<u8>,
    limits: Limits,
    accepted_ms: i64,
    wants_metadata: impl FnMut(&[u8]) -> bool,
) -> Result<Decoded, Refusal> {
    let header = |name: HeaderName| head.headers.get(name).map(|value| value.as_bytes());
    let import = || -> Result<(Import, Encoding), Refusal> {
        let arguments = Arguments::of(routes::group(head.uri.path()), head.uri.query())?;
        Ok((Import { arguments, accepted_ms, limits }, Encoding::of(header(CONTENT_ENCODING))?))
    };
    let push = match route {
        PushRoute::Write | PushRoute::Push => {
            let message = Message::of(header(CONTENT_TYPE))?;
            let packing = Packing::of(header(CONTENT_ENCODING))?;
            if message == Message::V2 {
                let (push, not_carried) = remote_write::decode_v2(&body, packing, limits, wants_metadata)?;
                return Ok(Decoded { push, not_carried });
            }
            remote_write::decode(&body, packing, limits)?
        }
        PushRoute::Import => {
            let (import, encoding) = import()?;
            import_json::decode(&encoding.unpack(body, limits)?, &import)?
        }
        PushRoute::Csv => {
            let (import, encoding) = import()?;
            csv::decode(&encoding.unpack(body, limits)?, &import)?
        }
        PushRoute::Native => {
            let (import, encoding) = import()?;
            native::decode(&encoding.unpack(body, limits)?, &import)?
        }
        PushRoute::Exposition | PushRoute::Pushgateway => {
            let format = Format::of(header(CONTENT_TYPE))?;
            let (import, encoding) = import()?;
            exposition::decode(&encoding.unpack(body, limits)?, format, &import)?
        }
    };
    Ok(Decoded { push, not_carried: NotCarried::default() })
}
