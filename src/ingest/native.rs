//! VictoriaMetrics' blocks, as `/api/v1/export/native` writes them.
//!
//! ```text
//!  │ first ms │ last ms │ size │ name │ size │ block │ size │ name │ size │ block │ …
//!    8          8         4             4
//! ```
//!
//! Numbers of a fixed size are big-endian, the two times in zigzag. They are the time range that was asked for: blocks
//! reach beyond it, and their samples there are passed over. A name is the labels of a series (see `name`), a
//! block up to 16 384 of its samples (see `block`); a series has as many blocks as it needs. What is not as it should be
//! refuses the request, by the number of its block and the byte where that begins.
//!
//! Blocks have one of two layouts, which the first one of a body tells: it is of the one that it reads in.
//!
//! Source: VictoriaMetrics, lib/protoparser/native and app/vmselect/prometheus (`ExportNativeHandler`).

mod block;
mod ints;
mod name;

use self::block::{Block, Head, Layout};
use self::ints::from_zigzag;
use super::Refusal;
use super::encoding::too_large;
use super::import::{Import, Series};
use crate::model::{Push, Sample, Span};

/// Longest name and longest block, in bytes, as VictoriaMetrics has it.
const MOST_BYTES: usize = 1 << 20;

/// Decodes a body that is not packed.
pub fn decode(body: &[u8], import: &Import) -> Result<Push, Refusal> {
    let mut rest = body;
    let range = time_range(&mut rest).ok_or_else(|| {
        Refusal::Bad(format!("the body has {} bytes, and the time range at its beginning 16", body.len()))
    })?;
    let limit = import.limits.unpacked_bytes;
    let mut blocks = Blocks {
        series: Series::new(import),
        range,
        limit,
        most: limit / size_of::<Sample>(),
        block: Block::default(),
        layout: None,
    };
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let place = body.len() - rest.len();
        blocks
            .add(&mut rest)
            .map_err(|refusal| refusal.in_place(&format!("block {number} at byte {place}: ")))?;
    }
    Ok(blocks.series.finish())
}

/// Reads block by block; what a block needs is allocated once for all.
struct Blocks<'i> {
    series: Series<'i>,
    /// The first and the last timestamp that are taken.
    range: (i64, i64),
    /// Bytes that samples may take in memory.
    limit: usize,
    /// Samples that may still come: a block of one value needs hardly more bytes for thousands than for one.
    most: usize,
    block: Block,
    /// None before the first block.
    layout: Option<Layout>,
}

impl Blocks<'_> {
    /// Adds the samples of the block at the beginning of `rest`.
    fn add(&mut self, rest: &mut &[u8]) -> Result<(), Refusal> {
        let name = sized(rest, "name").map_err(Refusal::Bad)?;
        let bytes = sized(rest, "block").map_err(Refusal::Bad)?;
        let mut labels = name::labels(name).map_err(Refusal::Bad)?;
        let head = self.read(bytes)?;
        // Those out of the range count too: they cost the time of their decoding.
        self.most -= head.rows();
        let (first_ms, last_ms) = self.range;
        let in_range = |sample: &Sample| first_ms <= sample.timestamp && sample.timestamp <= last_ms;
        let mut samples = self.block.samples(&head).filter(in_range).peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let section = self.series.labels(&mut labels)?;
        for sample in samples {
            self.series.sample(sample);
        }
        self.series.close(section, Span::default())?;
        Ok(())
    }

    /// Reads a block in the layout of the body, which the first one tells.
    fn read(&mut self, bytes: &[u8]) -> Result<Head, Refusal> {
        if let Some(layout) = self.layout {
            return self.read_as(layout, bytes);
        }
        let full = match self.read_as(Layout::Full, bytes) {
            Err(Refusal::Bad(full)) => full,
            read => {
                self.layout = Some(Layout::Full);
                return read;
            }
        };
        self.layout = Some(Layout::Short);
        self.read_as(Layout::Short, bytes).map_err(|refusal| match refusal {
            Refusal::Bad(short) => {
                Refusal::Bad(format!("{full}; and as of VictoriaMetrics up to 1.79, {short}"))
            }
            other => other,
        })
    }

    fn read_as(&mut self, layout: Layout, bytes: &[u8]) -> Result<Head, Refusal> {
        let (head, columns) = block::head(bytes, layout).map_err(Refusal::Bad)?;
        if head.rows() > self.most {
            return Err(too_large(self.limit));
        }
        self.block.read(&head, columns).map_err(Refusal::Bad)?;
        Ok(head)
    }
}

fn time_range(rest: &mut &[u8]) -> Option<(i64, i64)> {
    let mut time = || {
        let (bytes, behind) = rest.split_first_chunk()?;
        *rest = behind;
        Some(from_zigzag(u64::from_be_bytes(*bytes)))
    };
    Some((time()?, time()?))
}

/// What stands behind its size.
fn sized<'b>(rest: &mut &'b [u8], what: &str) -> Result<&'b [u8], String> {
    let (size, behind) =
        rest.split_first_chunk().ok_or_else(|| format!("the body ends within the size of its {what}"))?;
    let size = u32::from_be_bytes(*size) as usize;
    if size > MOST_BYTES {
        return Err(format!("its {what} is said to have {size} bytes, and may have {MOST_BYTES}"));
    }
    let (bytes, behind) = behind.split_at_checked(size).ok_or_else(|| {
        format!("its {what} is said to have {size} bytes, and the body ends after {}", behind.len())
    })?;
    *rest = behind;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
