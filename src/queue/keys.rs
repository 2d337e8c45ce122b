//! Keys of the store, written by hand: big-endian, so that their order is the order of positions.
//! The layout is in docs/format.md.

use super::Position;

/// Length of a key in the column family `records`.
pub const RECORD_LEN: usize = 8;
const _: () = assert!(RECORD_LEN == size_of::<Position>());

/// In `meta`: the format version of the whole store.
pub const FORMAT: &[u8] = b"format";
const SEGMENT: &[u8] = b"segment/";
const UPSTREAM: &[u8] = b"upstream/";

/// The last key of `records`, which no record ever has; see the store.
pub const ANCHOR_POSITION: Position = Position::MAX;
pub const ANCHOR: [u8; RECORD_LEN] = ANCHOR_POSITION.to_be_bytes();

/// Key of a record.
pub fn record(position: Position) -> [u8; RECORD_LEN] {
    position.to_be_bytes()
}

/// The position a record's key stands for; none for a key that is not one.
pub fn position(key: &[u8]) -> Option<Position> {
    key.try_into().ok().map(Position::from_be_bytes)
}

/// In `meta`: the table entry of the segment that begins at `first`.
pub fn segment(first: Position) -> Vec<u8> {
    [SEGMENT, &first.to_be_bytes()].concat()
}

/// In `meta`: the settled position of an upstream.
pub fn upstream(name: &str) -> Vec<u8> {
    [UPSTREAM, name.as_bytes()].concat()
}

/// What a key of `meta` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meta {
    Format,
    Segment(Position),
    Upstream(String),
    /// Written by a later version of the same format, or junk: left alone.
    Unknown,
}

/// Reads a key of `meta`.
pub fn meta(key: &[u8]) -> Meta {
    if key == FORMAT {
        return Meta::Format;
    }
    if let Some(first) = key.strip_prefix(SEGMENT).and_then(position) {
        return Meta::Segment(first);
    }
    let name = key.strip_prefix(UPSTREAM).and_then(|name| String::from_utf8(name.to_vec()).ok());
    name.map_or(Meta::Unknown, Meta::Upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_golden_bytes() {
        assert_eq!(record(0x0102_0304_0506_0708), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(segment(258), b"segment/\0\0\0\0\0\0\x01\x02");
        assert_eq!(upstream("pmm"), b"upstream/pmm");
    }

    proptest::proptest! {
        #[test]
        fn keys_order_as_positions_do(a: u64, b: u64) {
            assert_eq!(record(a).cmp(&record(b)), a.cmp(&b));
            assert_eq!(segment(a).cmp(&segment(b)), a.cmp(&b));
        }

        #[test]
        fn keys_read_back_as_what_they_name(first: u64, name in "[a-z]{1,9}") {
            assert_eq!(position(&record(first)), Some(first));
            assert_eq!(meta(&segment(first)), Meta::Segment(first));
            assert_eq!(meta(&upstream(&name)), Meta::Upstream(name));
        }

        #[test]
        fn any_bytes_are_a_key_or_unknown(key: Vec<u8>) {
            meta(&key);
            position(&key);
        }
    }
}
