//! Picks the protocol of a push by its route.

use super::routes::PushRoute;
use crate::ingest::encoding::{Encoding, Packing};
use crate::ingest::{Limits, Refusal, import_json, remote_write};
use crate::model::Push;
use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

pub(super) fn decode(
    route: PushRoute,
    headers: &HeaderMap,
    body: Vec<u8>,
    limits: Limits,
) -> Result<Push, Refusal> {
    let header = |name: HeaderName| headers.get(name).map(|value| value.as_bytes());
    match route {
        PushRoute::Write | PushRoute::Push => {
            remote_write::check_content_type(header(CONTENT_TYPE))?;
            let packing = Packing::of(header(CONTENT_ENCODING))?;
            remote_write::decode(&body, packing, limits)
        }
        PushRoute::Import => {
            let encoding = Encoding::of(header(CONTENT_ENCODING))?;
            import_json::decode(&encoding.unpack(body, limits)?)
        }
    }
}
