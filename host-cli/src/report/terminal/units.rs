//! Times and sizes in words.

use std::time::Duration;

/// Writes a time for people: `0.4 s`, `9.1 s`, `2 min 05 s`.
pub fn time(duration: Duration) -> String {
    // Rounded first, so that 59.97 s becomes a minute and not "60.0 s".
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (duration.as_millis() + 500) / 1000;
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

/// Writes a size in units of 1000, as download pages do: `812 kB`, `38.2 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..999_500 => format!("{} kB", (bytes + 500) / 1000),
        _ => {
            let tenths = (bytes + 50_000) / 100_000;
            format!("{}.{} MB", tenths / 10, tenths % 10)
        }
    }
}

/// Writes a count with its noun: `1 check`, `31 checks`.
pub(super) fn count(number: u32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well_on_both_sides_of_a_unit() {
        let times = [(0, "0.0 s"), (1449, "1.4 s"), (9_949, "9.9 s"), (59_960, "1 min 00 s")];
        for (millis, words) in times.into_iter().chain([(125_400, "2 min 05 s")]) {
            assert_eq!(time(Duration::from_millis(millis)), words);
        }
        let sizes = [(0, "0 B"), (999, "999 B"), (1_499, "1 kB"), (999_499, "999 kB")];
        for (bytes, words) in
            sizes.into_iter().chain([(999_500, "1.0 MB"), (38_249_999, "38.2 MB")])
        {
            assert_eq!(size(bytes), words);
        }
        assert_eq!((count(1, "check"), count(0, "step")), ("1 check".into(), "0 steps".into()));
    }
}
