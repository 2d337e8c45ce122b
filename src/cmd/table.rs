//! Tables for a terminal.

use comfy_table::{CellAlignment, Table, presets};

/// A plain table: the first column to the left, the others to the right.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
