//! pmm-agent.yaml: where it has vmagent, and how that is changed without touching another byte of it.
//!
//! The file is edited by line and parsed only to be understood, and to hold the result against: comments, order and
//! unknown keys stay as they are. Nothing here reads or writes a file.

mod edit;
mod upstream;

pub use edit::{Edit, redirect, restore};
pub use upstream::upstream;

use serde_json::Value;
use std::path::PathBuf;

/// What is not as expected of the file. Never holds a line of it: there are passwords in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexpected {
    /// Not YAML, or nothing that pmm-agent would take.
    #[error("is not a YAML section of keys{}", .0.map(|line| format!(" (line {line})")).unwrap_or_default())]
    NotYaml(Option<u64>),
    /// `paths: {…}`
    #[error("has `paths` on one line: write its keys on lines of their own, then run this again")]
    OneLine,
    /// The edited text does not say what it should.
    #[error("is written in a way that cannot be edited safely: set `paths.vmagent` to {0} yourself")]
    Unsafe(String),
}

/// What of pmm-agent.yaml matters here; all paths as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentFile {
    /// `paths.vmagent`
    pub vmagent: Option<String>,
    /// `paths.exporters_base`
    pub exporters_base: Option<PathBuf>,
    /// `paths.paths_base`
    pub paths_base: Option<PathBuf>,
    /// `paths.tempdir`
    pub tempdir: Option<PathBuf>,
}

impl AgentFile {
    /// Reads the text of a pmm-agent.yaml.
    ///
    /// # Errors
    ///
    /// A text that is no section of keys.
    pub fn read(text: &str) -> Result<Self, Unexpected> {
        let tree = tree(text)?;
        let path = |key: &str| tree["paths"][key].as_str().filter(|path| !path.is_empty()).map(str::to_owned);
        Ok(Self {
            vmagent: path("vmagent"),
            exporters_base: path("exporters_base").map(Into::into),
            paths_base: path("paths_base").map(Into::into),
            tempdir: path("tempdir").map(Into::into),
        })
    }

    /// Where pmm-agent finds vmagent while the file names no other. None where the file does not tell.
    pub fn default_vmagent(&self) -> Option<PathBuf> {
        let exporters = self.exporters_base.clone();
        Some(exporters.or_else(|| Some(self.paths_base.as_ref()?.join("exporters")))?.join("vmagent"))
    }
}

fn tree(text: &str) -> Result<Value, Unexpected> {
    // It would show the text around an error.
    let options = serde_saphyr::options! { with_snippet: false };
    let tree = serde_saphyr::from_str_with_options::<Value>(text, options)
        .map_err(|error| Unexpected::NotYaml(error.location().map(|location| location.line())))?;
    let is_paths = |paths: &Value| paths.is_object() || paths.is_null();
    if tree.is_object() && is_paths(&tree["paths"]) { Ok(tree) } else { Err(Unexpected::NotYaml(None)) }
}

#[cfg(test)]
mod tests;
