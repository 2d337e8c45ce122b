//! Fields and varints: the grammar under every protobuf message.
//!
//! Source: the protobuf encoding guide. Groups are refused: no message of remote write has ever had one.

use super::WireError;
use std::ops::Range;

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// What a field holds. Ranges are offsets into the bytes that [`Fields`] walks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    Varint(u64),
    Fixed64(u64),
    Bytes(Range<usize>),
    Fixed32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub number: u32,
    pub payload: Payload,
    /// The whole field, tag included.
    pub whole: Range<usize>,
}

impl Field {
    /// The bytes of a string or of a message; an error for any other wire type.
    #[inline]
    pub fn bytes(&self) -> Result<Range<usize>, WireError> {
        match &self.payload {
            Payload::Bytes(range) => Ok(range.clone()),
            _ => Err(self.wrong_type()),
        }
    }

    #[inline]
    pub fn fixed64(&self) -> Result<u64, WireError> {
        match self.payload {
            Payload::Fixed64(bits) => Ok(bits),
            _ => Err(self.wrong_type()),
        }
    }

    #[inline]
    pub fn varint(&self) -> Result<u64, WireError> {
        match self.payload {
            Payload::Varint(value) => Ok(value),
            _ => Err(self.wrong_type()),
        }
    }

    #[cold]
    pub fn wrong_type(&self) -> WireError {
        WireError::new(self.whole.start, format!("field {} has the wrong type", self.number))
    }
}

/// Walks the fields of one message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    /// Everything up to the message's end, so that offsets in errors are those of the body.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the message at `message` in `body`.
    #[inline]
    pub fn of(body: &'a [u8], message: Range<usize>) -> Self {
        Self { bytes: &body[..message.end], at: message.start }
    }

    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Moves on over bytes that were read otherwise.
    #[inline]
    pub fn skip(&mut self, length: usize) {
        self.at += length;
        debug_assert!(self.at <= self.bytes.len());
    }

    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next field, or none at the message's end.
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Field>, WireError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let start = self.at;
        let tag = self.varint()?;
        let number = (tag >> 3) as u32;
        if number == 0 || tag > u64::from(u32::MAX) {
            return Err(bad_tag(start, tag));
        }
        let payload = match (tag & 7) as u8 {
            VARINT => Payload::Varint(self.varint()?),
            FIXED64 => Payload::Fixed64(self.fixed64()?),
            BYTES => {
                let length = self.varint()?;
                Payload::Bytes(self.take(length)?)
            }
            FIXED32 => {
                self.take(4)?;
                Payload::Fixed32
            }
            _ => return Err(bad_tag(start, tag)),
        };
        Ok(Some(Field { number, payload, whole: start..self.at }))
    }

    /// Moves on over fields that follow one another, each of this tag and shorter than 128 bytes. Returns where they stand.
    #[inline]
    pub fn skip_short(&mut self, tag: u8) -> Range<usize> {
        let start = self.at;
        while let Some((&[first, length @ ..0x80], rest)) = self.bytes[self.at..].split_first_chunk()
            && first == tag
            && usize::from(length) <= rest.len()
        {
            self.at += 2 + usize::from(length);
        }
        start..self.at
    }

    /// Moves on over this byte; none where another one stands there.
    #[inline]
    pub fn skip_byte(&mut self, byte: u8) -> Option<&mut Self> {
        (self.bytes.get(self.at) == Some(&byte)).then(|| {
            self.at += 1;
            self
        })
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<Range<usize>, WireError> {
        let left = self.bytes.len() - self.at;
        if length > left as u64 {
            return Err(cut(self.at, length, left));
        }
        let start = self.at;
        self.at += length as usize;
        Ok(start..self.at)
    }

    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, WireError> {
        let range = self.take(8)?;
        Ok(u64::from_le_bytes(self.bytes[range].try_into().expect("BUG: eight bytes were taken")))
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        let rest = &self.bytes[self.at..];
        for (index, &byte) in rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte holds the 64th bit and no more.
                if index == 9 && byte > 1 {
                    break;
                }
                self.at += index + 1;
                return Ok(value);
            }
        }
        Err(bad_varint(self.at, rest.len()))
    }
}

#[cold]
fn bad_tag(at: usize, tag: u64) -> WireError {
    let what = match tag & 7 {
        _ if tag >> 3 == 0 || tag > u64::from(u32::MAX) => "a field number out of range".to_owned(),
        3 | 4 => "a group, which remote write does not have".to_owned(),
        unknown => format!("unknown wire type {unknown}"),
    };
    WireError::new(at, what)
}

#[cold]
fn bad_varint(at: usize, left: usize) -> WireError {
    WireError::new(at, if left < 10 { "ends within a number" } else { "a number of more than 64 bits" })
}

#[cold]
fn cut(at: usize, length: u64, left: usize) -> WireError {
    WireError::new(at, format!("a field of {length} bytes where only {left} are left"))
}

/// Bytes that `value` takes as a varint.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value` in 7-bit groups, the lowest first.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the head of a field of `length` bytes.
#[inline]
pub(super) fn put_head(out: &mut Vec<u8>, number: u8, length: usize) {
    out.push(number << 3 | BYTES);
    put_varint(out, length as u64);
}

/// Bytes of a whole field with a payload of `length` bytes and a field number below 16.
#[inline]
pub(super) fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(bytes: &[u8]) -> Result<Option<Field>, WireError> {
        Fields::of(bytes, 0..bytes.len()).next()
    }

    proptest! {
        #[test]
        fn a_varint_reads_back_and_has_the_length_foretold(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(bytes.len(), varint_len(value));
            let mut fields = Fields::of(&bytes, 0..bytes.len());
            prop_assert_eq!(fields.varint(), Ok(value));
            prop_assert!(fields.is_at_end());
        }

        #[test]
        fn a_cut_varint_is_an_error(value in 0x80u64.., keep in 1usize..10) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            bytes.truncate(keep.min(bytes.len() - 1));
            prop_assert!(Fields::of(&bytes, 0..bytes.len()).varint().is_err());
        }
    }

    #[test]
    fn a_varint_ends_with_the_64th_bit() {
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Fields::of(&max, 0..10).varint(), Ok(u64::MAX));
        let mut over = max;
        over[9] = 0x02;
        assert!(Fields::of(&over, 0..10).varint().unwrap_err().what.contains("64 bits"));
        let eleven = [0xff; 11];
        assert!(Fields::of(&eleven, 0..11).varint().unwrap_err().what.contains("64 bits"));
    }

    #[test]
    fn a_field_is_read_whole_and_not_beyond_its_message() {
        let bytes = [0x0a, 2, b'h', b'i', 0x10, 7];
        let field = first(&bytes).unwrap().unwrap();
        assert_eq!((field.number, field.bytes(), field.whole), (1, Ok(2..4), 0..4));
        let error = Fields::of(&bytes, 0..3).next().unwrap_err();
        assert_eq!(error, WireError::new(2, "a field of 2 bytes where only 1 are left"));
    }

    #[test]
    fn groups_unknown_types_and_field_zero_are_refused() {
        for (bytes, what) in [
            (&[0x0b][..], "group"),
            (&[0x0c], "group"),
            (&[0x0e, 0], "wire type 6"),
            (&[0x0f, 0], "wire type 7"),
            (&[0x02, 0], "out of range"),
            (&[0x82, 0x80, 0x80, 0x80, 0x80, 0x01, 0], "out of range"),
        ] {
            let error = first(bytes).unwrap_err();
            assert!(error.what.contains(what), "{bytes:?}: {error}");
        }
    }
}
