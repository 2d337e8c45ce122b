//! The shape of messages that are carried and not used: exemplars, native histograms, metadata.
//!
//! They are checked to be well formed all the same, field by field as the schema has it: an upstream would
//! refuse a whole request for one broken exemplar, and with it the series of others.

use super::WireError;
use super::field::{Field, Fields, Payload};
use std::ops::Range;

/// What a field of a known message holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Holds {
    Varint,
    Double,
    Text,
    Message(&'static Shape),
    /// Repeated numbers, packed or one by one.
    Varints,
    Doubles,
}

/// Field number → what it holds. Fields that are not named are unknown and fine.
pub(super) type Shape = [(u32, Holds)];

const LABEL: &Shape = &[(1, Holds::Text), (2, Holds::Text)];
const BUCKET_SPAN: &Shape = &[(1, Holds::Varint), (2, Holds::Varint)];

pub(super) const EXEMPLAR: &Shape = &[(1, Holds::Message(LABEL)), (2, Holds::Double), (3, Holds::Varint)];

pub(super) const METADATA: &Shape =
    &[(1, Holds::Varint), (2, Holds::Text), (4, Holds::Text), (5, Holds::Text)];

pub(super) const HISTOGRAM: &Shape = &[
    (1, Holds::Varint),
    (2, Holds::Double),
    (3, Holds::Double),
    (4, Holds::Varint),
    (5, Holds::Double),
    (6, Holds::Varint),
    (7, Holds::Double),
    (8, Holds::Message(BUCKET_SPAN)),
    (9, Holds::Varints),
    (10, Holds::Doubles),
    (11, Holds::Message(BUCKET_SPAN)),
    (12, Holds::Varints),
    (13, Holds::Doubles),
    (14, Holds::Varint),
    (15, Holds::Varint),
    (16, Holds::Doubles),
];

/// Checks that the message at `message` in `body` is one of `shape`.
pub(super) fn check(body: &[u8], message: Range<usize>, shape: &Shape) -> Result<(), WireError> {
    let mut fields = Fields::of(body, message);
    while let Some(field) = fields.next()? {
        if let Some((_, holds)) = shape.iter().find(|(number, _)| *number == field.number) {
            check_field(body, &field, *holds)?;
        }
    }
    Ok(())
}

fn check_field(body: &[u8], field: &Field, holds: Holds) -> Result<(), WireError> {
    match (holds, &field.payload) {
        (Holds::Varint | Holds::Varints, Payload::Varint(_))
        | (Holds::Double | Holds::Doubles, Payload::Fixed64(_))
        | (Holds::Text, Payload::Bytes(_)) => Ok(()),
        (Holds::Message(shape), Payload::Bytes(message)) => check(body, message.clone(), shape),
        (Holds::Varints, Payload::Bytes(packed)) => {
            let mut numbers = Fields::of(body, packed.clone());
            while !numbers.is_at_end() {
                numbers.varint()?;
            }
            Ok(())
        }
        (Holds::Doubles, Payload::Bytes(packed)) => {
            let mut numbers = Fields::of(body, packed.clone());
            while !numbers.is_at_end() {
                numbers.fixed64()?;
            }
            Ok(())
        }
        _ => Err(field.wrong_type()),
    }
}
