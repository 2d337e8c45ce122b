//! Picks the protocol of a push by its route and headers.

use super::routes::PushRoute;
use crate::ingest::encoding::{self, Packing};
use crate::ingest::remote_write::{self, Message};
use crate::ingest::{Limits, Refusal, import_json};
use crate::model::Push;
use crate::wire::NotCarried;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

/// A push, and what of the request it has no place for.
pub(super) struct Decoded {
    pub(super) push: Push,
    pub(super) not_carried: NotCarried,
}

/// `wants_metadata` is asked where a protocol says the same metadata again and again.
pub(super) fn decode(
    route: PushRoute,
    headers: &HeaderMap,
    body: Vec<u8>,
    limits: Limits,
    wants_metadata: impl FnMut(&[u8]) -> bool,
) -> Result<Decoded, Refusal> {
    let header = |name: HeaderName| headers.get(name).map(|value| value.as_bytes());
    let (push, not_carried) = match route {
        PushRoute::Write | PushRoute::Push => {
            let message = Message::of(header(CONTENT_TYPE))?;
            let packing = Packing::of(header(CONTENT_ENCODING))?;
            match message {
                Message::V1 => (remote_write::decode(&body, packing, limits)?, NotCarried::default()),
                Message::V2 => remote_write::decode_v2(&body, packing, limits, wants_metadata)?,
            }
        }
        PushRoute::Import => {
            encoding::only_identity(header(CONTENT_ENCODING))?;
            (import_json::decode(&body)?, NotCarried::default())
        }
    };
    Ok(Decoded { push, not_carried })
}
