//! What a pusher speaks: the format of a body, how it is packed, and where it goes. docs/protocols.md has our routes; other
//! agents and servers may have others.

use super::body;
use crate::model::Push;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::{self, Display};
use std::io::Write;
use std::str::FromStr;

/// What a body is before it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus' remote write 1.0.
    RemoteWrite,
    /// Prometheus' remote write 2.0.
    RemoteWrite2,
    /// What vmagent speaks: the message of remote write 1.0, packed with zstd.
    VictoriaMetrics,
    /// VictoriaMetrics' JSON lines.
    Json,
    /// Prometheus' text format, with times.
    Text,
    /// What VictoriaMetrics exports as `native`.
    Native,
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    None,
    /// Snappy's block format.
    Snappy,
    Zstd,
    Gzip,
}

/// A word that names nothing, or things that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("there is no {what} `{word}`: it is one of {names}")]
    Unknown { what: &'static str, word: String, names: String },
    #[error("{format} is never packed with {encoding}: it is with {possible}")]
    Apart { format: Format, encoding: Encoding, possible: String },
}

impl Format {
    pub const ALL: [Self; 6] =
        [Self::RemoteWrite, Self::RemoteWrite2, Self::VictoriaMetrics, Self::Json, Self::Text, Self::Native];

    pub fn name(self) -> &'static str {
        match self {
            Self::RemoteWrite => "remote-write",
            Self::RemoteWrite2 => "remote-write-2",
            Self::VictoriaMetrics => "victoriametrics",
            Self::Json => "json",
            Self::Text => "text",
            Self::Native => "native",
        }
    }

    /// What it may be packed with, the usual first.
    pub fn encodings(self) -> &'static [Encoding] {
        match self {
            Self::RemoteWrite | Self::RemoteWrite2 => &[Encoding::Snappy],
            Self::VictoriaMetrics => &[Encoding::Zstd],
            Self::Json | Self::Text | Self::Native => {
                &[Encoding::None, Encoding::Gzip, Encoding::Zstd, Encoding::Snappy]
            }
        }
    }

    /// Where we, and VictoriaMetrics, take it.
    fn path(self) -> &'static str {
        match self {
            Self::RemoteWrite | Self::RemoteWrite2 | Self::VictoriaMetrics => "/api/v1/write",
            Self::Json => "/api/v1/import",
            Self::Text => "/api/v1/import/prometheus",
            Self::Native => "/api/v1/import/native",
        }
    }

    /// The headers that say what it is, without that of the encoding.
    fn headers(self) -> &'static [(&'static str, &'static str)] {
        const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
        const VERSION: &str = "x-prometheus-remote-write-version";
        match self {
            Self::RemoteWrite => &[PROTOBUF, (VERSION, "0.1.0")],
            Self::RemoteWrite2 => &[
                ("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
                (VERSION, "2.0.0"),
            ],
            Self::VictoriaMetrics => &[PROTOBUF, ("x-victoriametrics-remote-write-version", "1")],
            Self::Json => &[("content-type", "application/json")],
            Self::Text => &[("content-type", "text/plain; version=0.0.4")],
            Self::Native => &[("content-type", "application/octet-stream")],
        }
    }

    /// The body of a push, not packed.
    fn body(self, push: &Push) -> Vec<u8> {
        match self {
            Self::RemoteWrite | Self::VictoriaMetrics => body::remote_write(push),
            Self::RemoteWrite2 => body::remote_write_2(push),
            Self::Json => body::json(push),
            Self::Text => body::text(push),
            Self::Native => body::native(push),
        }
    }
}

impl Encoding {
    pub const ALL: [Self; 4] = [Self::None, Self::Snappy, Self::Zstd, Self::Gzip];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn pack(self, body: Vec<u8>) -> Bytes {
        let packed = match self {
            Self::None => body,
            Self::Snappy => {
                let packed = snap::raw::Encoder::new().compress_vec(&body);
                packed.expect("BUG: a push is far below the 4 GiB that snappy takes")
            }
            Self::Zstd => zstd::bulk::compress(&body, 1).expect("BUG: it is in memory"),
            Self::Gzip => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(&body).expect("BUG: it is in memory");
                packed.finish().expect("BUG: it is in memory")
            }
        };
        packed.into()
    }
}

impl Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = ProtocolError;

    fn from_str(word: &str) -> Result<Self, ProtocolError> {
        let known = Self::ALL.into_iter().find(|format| format.name() == word);
        known.ok_or_else(|| unknown("format", word, Self::ALL.map(Self::name).as_slice()))
    }
}

impl FromStr for Encoding {
    type Err = ProtocolError;

    fn from_str(word: &str) -> Result<Self, ProtocolError> {
        let known = Self::ALL.into_iter().find(|encoding| encoding.name() == word);
        known.ok_or_else(|| unknown("encoding", word, Self::ALL.map(Self::name).as_slice()))
    }
}

fn unknown(what: &'static str, word: &str, names: &[&str]) -> ProtocolError {
    ProtocolError::Unknown { what, word: word.to_owned(), names: names.join(", ") }
}

/// A format with an encoding that it has, and the path it is posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    format: Format,
    encoding: Encoding,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
}

impl Default for Protocol {
    /// Remote write 1.0.
    fn default() -> Self {
        Self::new(Format::RemoteWrite, None).expect("BUG: each format has an encoding")
    }
}

impl Protocol {
    /// The format at our path, with its usual encoding where none is given. An error where the format never has it.
    pub fn new(format: Format, encoding: Option<Encoding>) -> Result<Self, ProtocolError> {
        let possible = format.encodings();
        let encoding = encoding.unwrap_or(possible[0]);
        if !possible.contains(&encoding) {
            let possible = possible.iter().map(|encoding| encoding.name()).collect::<Vec<_>>().join(", ");
            return Err(ProtocolError::Apart { format, encoding, possible });
        }
        let mut headers = format.headers().to_vec();
        if encoding != Encoding::None {
            headers.push(("content-encoding", encoding.name()));
        }
        headers.push(("user-agent", "pmm-buffer-harness"));
        Ok(Self { format, encoding, path: format.path().to_owned(), headers })
    }

    /// The same at another path, with its query.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn headers(&self) -> &[(&'static str, &'static str)] {
        &self.headers
    }

    /// The body of a push as it is sent: its labels and samples, nothing else that it holds.
    pub fn pack(&self, push: &Push) -> Bytes {
        self.encoding.pack(self.format.body(push))
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
