//! The columnar codec: a push as columns of references, times and values. Pure.
//!
//! The same series come every few seconds with the same labels and nearly the same values. So labels are stored once,
//! where a series is first seen, and are a reference from then on; a value is the difference to the series' last one.
//! Both depend on what came before, so encoder and decoder carry state, and begin anew together at a *restart point*:
//!
//! ```text
//!  record   R ─▶ r ─▶ r ─▶ r ─▶ R ─▶ r ─▶ r          R: a restart point, depends on nothing
//!           └── one interval ──┘                      r: depends on all before it in its interval
//! ```
//!
//! | file | its job |
//! |---|---|
//! | `decimal` | doubles as exact decimal numbers |
//! | `series` | what is remembered of a series: its last value |
//! | `streams` | the columns of one record, and how they are packed |
//! | `encoder` | push → record |
//! | `decoder` | record → push |
//! | `dictionary` | the labels of an interval, as the decoder keeps them |
//! | `sink` | where the decoder puts what it reads |
//! | `error` | what a decoder says of bytes that it cannot read |
//! | `bytes` | varints |
//!
//! `decode(encode(x)) == x` to the bit, for every double and every label. The bytes are in docs/format.md, the
//! figures behind the choices in docs/decisions/005-columns.md.

mod bytes;
mod decimal;
mod decoder;
mod dictionary;
mod encoder;
mod error;
mod series;
mod sink;
mod streams;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use dictionary::Section;
pub use encoder::Encoder;
pub use error::DecodeError;
pub use sink::{Nothing, Sink};
