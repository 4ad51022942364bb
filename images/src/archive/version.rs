//! Debian version numbers: their order.
//!
//! The order is dpkg's, not the alphabet's: `~` sorts before the end of the string, letters before
//! everything else that is no digit, and runs of digits count as numbers (deb-version(7)).

use std::cmp::Ordering;

/// Compares two versions as `dpkg --compare-versions` does.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left_rest) = split_epoch(left);
    let (right_epoch, right_rest) = split_epoch(right);
    let (left_upstream, left_revision) = split_revision(left_rest);
    let (right_upstream, right_revision) = split_revision(right_rest);
    compare_numbers(left_epoch, right_epoch)
        .then_with(|| compare_part(left_upstream, right_upstream))
        .then_with(|| compare_part(left_revision, right_revision))
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("0", version))
}

/// An absent revision equals `0`, for which the empty string is as good: both have no weight.
fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    while !(left.is_empty() && right.is_empty()) {
        let (left_text, left_rest) = take(left, |c| !c.is_ascii_digit());
        let (right_text, right_rest) = take(right, |c| !c.is_ascii_digit());
        let (left_digits, left_rest) = take(left_rest, |c| c.is_ascii_digit());
        let (right_digits, right_rest) = take(right_rest, |c| c.is_ascii_digit());
        let order = compare_text(left_text, right_text)
            .then_with(|| compare_numbers(left_digits, right_digits));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn take(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn compare_text(left: &str, right: &str) -> Ordering {
    let weights = |text: &str| -> Vec<u32> { text.chars().map(weight).chain([END]).collect() };
    weights(left).cmp(&weights(right))
}

/// What the end of a string weighs: more than a tilde (0), less than all else.
const END: u32 = 1;

fn weight(character: char) -> u32 {
    /// Puts whatever is no letter behind every letter.
    const BEHIND_LETTERS: u32 = 0x100;
    match character {
        '~' => 0,
        letter if letter.is_ascii_alphabetic() => u32::from(letter),
        other => u32::from(other) + BEHIND_LETTERS,
    }
}

/// Compares as numbers of any length: version parts such as dates outgrow integers.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_dpkg() {
        let table = [
            ("1.0", Ordering::Equal, "1.0"),
            ("1.0", Ordering::Equal, "1.0-0"),
            ("1.0", Ordering::Equal, "0:1.0"),
            ("1.0", Ordering::Equal, "1.00"),
            ("1.9", Ordering::Less, "1.10"),
            ("1:0.1", Ordering::Greater, "2.0"),
            ("1.0~rc1", Ordering::Less, "1.0"),
            ("1.0~~", Ordering::Less, "1.0~"),
            ("1.0~", Ordering::Less, "1.0"),
            ("1.0~rc1", Ordering::Less, "1.0-1"),
            ("1.0a", Ordering::Less, "1.0+"),
            ("1.0", Ordering::Less, "1.0a"),
            ("1.0-1", Ordering::Less, "1.0-1+deb13u1"),
            ("2.41-12", Ordering::Less, "2.41-12+b1"),
            ("1.2.3-1-2", Ordering::Greater, "1.2.3-1"),
            ("20261124000000000001", Ordering::Less, "20261124000000000002"),
            ("6.12.57-1", Ordering::Less, "6.12.100-1"),
            ("4.4.3-P1-8", Ordering::Greater, "4.4.3-8"),
            ("0", Ordering::Less, "a"),
        ];
        for (left, expected, right) in table {
            assert_eq!(compare(left, right), expected, "{left} against {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} against {left}");
        }
    }
}
