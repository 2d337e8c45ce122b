//! Picks the protocol of a push by its route.

use super::routes::{self, PushRoute};
use crate::ingest::encoding::{Encoding, Packing};
use crate::ingest::exposition::{self, Format};
use crate::ingest::import::{Arguments, Import};
use crate::ingest::{Limits, Refusal, csv, import_json, remote_write};
use crate::model::Push;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use hyper::http::request::Parts;

/// `accepted_ms` is when the request arrived: what it sends without a time has that one.
pub(super) fn decode(
    route: PushRoute,
    head: &Parts,
    body: Vec<u8>,
    limits: Limits,
    accepted_ms: i64,
) -> Result<Push, Refusal> {
    let header = |name: HeaderName| head.headers.get(name).map(|value| value.as_bytes());
    let import = || -> Result<(Import, Encoding), Refusal> {
        let arguments = Arguments::of(routes::group(head.uri.path()), head.uri.query())?;
        Ok((Import { arguments, accepted_ms, limits }, Encoding::of(header(CONTENT_ENCODING))?))
    };
    match route {
        PushRoute::Write | PushRoute::Push => {
            remote_write::check_content_type(header(CONTENT_TYPE))?;
            let packing = Packing::of(header(CONTENT_ENCODING))?;
            remote_write::decode(&body, packing, limits)
        }
        PushRoute::Import => {
            let (import, encoding) = import()?;
            import_json::decode(&encoding.unpack(body, limits)?, &import)
        }
        PushRoute::Csv => {
            let (import, encoding) = import()?;
            csv::decode(&encoding.unpack(body, limits)?, &import)
        }
        PushRoute::Exposition | PushRoute::Pushgateway => {
            let format = Format::of(header(CONTENT_TYPE))?;
            let (import, encoding) = import()?;
            exposition::decode(&encoding.unpack(body, limits)?, format, &import)
        }
    }
}
