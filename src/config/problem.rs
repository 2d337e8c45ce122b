//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, counted from 1.
    File { line: u64, column: u64 },
    /// In the file, no one knows where.
    SomewhereInFile,
    /// On the command line or in the environment, by this name.
    Given(&'static str),
}

/// A key and where it stands, to point at in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) place: Place,
    /// The whole path, as in `remote_write[0].basic_auth.password`; empty for the file itself.
    pub(super) key: String,
}

/// One thing to say about a configuration: `file:line:column: key: what is wrong, what to write`.
///
/// It never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, line and column, or the flag and variable, without the colon that follows.
    at: String,
    /// Line and column, to sort by.
    order: (u64, u64),
    key: String,
    message: String,
}

impl Problem {
    /// A problem of a whole file, or of the call.
    pub(super) fn of(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), order: (0, 0), key: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.at, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Something that works, but perhaps not as the one who wrote it thinks.
pub type Warning = Problem;

/// Every error that was found in a configuration, in the order of the file; one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Errors(Vec<Problem>);

impl Errors {
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// The errors; there is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// Collects what is found on the way, so that a file is read to its end whatever is wrong with it.
pub(super) struct Problems {
    /// The file's name for messages.
    file: String,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn error(&mut self, spot: &Spot, message: impl Into<String>) {
        let problem = self.problem(spot, message.into());
        self.errors.push(problem);
    }

    pub(super) fn warn(&mut self, spot: &Spot, message: impl Into<String>) {
        let problem = self.problem(spot, message.into());
        self.warnings.push(problem);
    }

    /// How many errors there are so far.
    pub(super) fn error_count(&self) -> usize {
        self.errors.len()
    }

    fn problem(&self, spot: &Spot, message: String) -> Problem {
        let (at, order) = match spot.place {
            Place::File { line, column } => (format!("{}:{line}:{column}", self.file), (line, column)),
            Place::SomewhereInFile => (self.file.clone(), (0, 0)),
            Place::Given(name) => (name.to_owned(), (0, 0)),
        };
        Problem { at, order, key: spot.key.clone(), message }
    }

    /// The warnings, or every error.
    pub(super) fn finish(mut self) -> Result<Vec<Warning>, Errors> {
        // Sections are read one kind after the other; a person reads from the top.
        self.errors.sort_by_key(|problem| problem.order);
        self.warnings.sort_by_key(|problem| problem.order);
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(Errors(self.errors)) }
    }
}
