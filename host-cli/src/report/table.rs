//! Aligned columns, for verbs that list things. Cells are plain text; the last column is free to
//! be as long as it is.

use unicode_width::UnicodeWidthStr as _;

/// Between two columns.
const GAP: &str = "  ";

/// Lays out a header and rows, one line each, every column as wide as its widest cell.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let header: Vec<String> = header.iter().map(|&cell| cell.to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let count = all().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell: &String| cell.width()).max()
    };
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();

    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - cell.width()));
            line.push_str(GAP);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen_and_lines_have_no_trailing_blanks() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["default", "up", "tcg"]), row(["演習", "down", ""])];
        assert_eq!(
            columns(&["NAME", "STATE", "ACCEL"], &rows),
            "NAME     STATE  ACCEL\n\
             default  up     tcg\n\
             演習     down\n"
        );
        assert_eq!(columns(&["NAME"], &[]), "NAME\n");
    }
}
