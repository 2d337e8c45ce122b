//! What scenario files and contender files have in common: an error names the file, the line and what may stand there.

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use serde_saphyr::Error;
use std::path::Path;

/// Reads a document. An error says what is wrong with it and where.
pub(super) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> anyhow::Result<T> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or(String::new(), |at| format!(":{}:{}", at.line(), at.column()));
        anyhow!("{file}{place}: {}", explain(&error))
    })
}

/// The message alone: the place stands before it.
fn explain(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => explain(error),
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("there is no key {field}; known here: {}", expected.join(", "))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("{variant} is not known here: write one of {}", expected.join(", "))
        }
        Error::SerdeMissingField { field, .. } => format!("{field} is missing"),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("there is {unexpected} where {expected} is expected")
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("{key} stands twice"),
        Error::Message { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// The name of a file without its folder and ending.
pub(super) fn stem(file: &str) -> &str {
    Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file)
}
