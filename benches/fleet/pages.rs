//! Writes figures into docs/fleet.md, each between its own marks, and plots beside it.

use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Replaces what stands between `<!-- name -->` and `<!-- end -->`.
pub fn write_table(name: &str, table: &str) -> anyhow::Result<()> {
    let path = docs().join("fleet.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mark = format!("<!-- {name} -->\n");
    let (before, rest) =
        page.split_once(&mark).with_context(|| format!("no {mark} in {}", path.display()))?;
    let (_, after) = rest.split_once("<!-- end -->").with_context(|| format!("no end of {name}"))?;
    Ok(fs::write(&path, format!("{before}{mark}{table}\n<!-- end -->{after}"))?)
}

pub fn write_plot(name: &str, svg: &str) -> anyhow::Result<()> {
    Ok(fs::write(docs().join("fleet").join(format!("{name}.svg")), svg)?)
}
