//! What a decoder says of bytes that it cannot read.

/// The bytes are no record of this codec, or do not follow the ones before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub(super) &'static str);
