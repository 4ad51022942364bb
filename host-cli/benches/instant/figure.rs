//! One line a figure: what, the least and the median of its runs, the target and how it stands to it.

use std::time::Duration;

/// The middle of some figures.
pub fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The middle of some times, in seconds.
pub fn middle(times: &[Duration]) -> Option<f64> {
    median(&times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
}

/// Begins a part.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn part(name: &str) {
    println!("\n{name}");
}

/// Times of several runs.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn times(what: &str, times: &[Duration]) {
    if let (Some(least), Some(middle)) = (times.iter().min(), middle(times)) {
        let least = least.as_secs_f64();
        println!("  {what:52} min {least:6.2} s  median {middle:6.2} s  n={}", times.len());
    }
}

/// A figure against the most that it may be.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn at_most(what: &str, figure: f64, target: f64, unit: &str) {
    let verdict = if figure <= target { "met" } else { "MISSED" };
    println!("  {what:52} {figure:7.2} {unit}  target at most {target} {unit}: {verdict}");
}

/// A figure against the least that it has to be.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn at_least(what: &str, figure: f64, target: f64, unit: &str) {
    let verdict = if figure >= target { "met" } else { "MISSED" };
    println!("  {what:52} {figure:7.2} {unit}  target at least {target} {unit}: {verdict}");
}

/// The ratio of two medians against the most that it may be.
pub fn ratio(what: &str, ours: &[Duration], theirs: &[Duration], target: f64) {
    if let (Some(ours), Some(theirs)) = (middle(ours), middle(theirs)) {
        at_most(what, ours / theirs, target, "x");
    }
}

/// Something to say in words.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn words(what: &str, text: &str) {
    println!("  {what:52} {}", text.trim_end());
}

/// A row of a table.
#[expect(clippy::disallowed_macros, reason = "figures are this program's output")]
pub fn row(cells: &[impl AsRef<str>]) {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    println!("| {} |", cells.join(" | "));
}
