//! Time limits as a lab file writes them: `500ms`, `20s`.

use std::str::FromStr;

/// Longest limit, in milliseconds: a lab that waits longer than ten minutes has lost its reader.
const LONGEST_MS: u64 = 600_000;

/// A time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// In milliseconds, never 0.
    pub millis: u64,
}

/// A text that is no time limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no time limit")]
pub struct BadLimit {
    text: String,
}

/// How to write one.
pub const LIMIT_CURE: &str = "write `500ms` or `20s`, from `1ms` to `600s`";

impl FromStr for Limit {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Self, BadLimit> {
        let (number, unit_ms) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').unwrap_or_default(), 1000),
        };
        // `parse` alone would take `+5`.
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let millis = number.parse::<u64>().ok().filter(|_| digits);
        match millis.and_then(|count| count.checked_mul(unit_ms)) {
            Some(millis @ 1..=LONGEST_MS) => Ok(Self { millis }),
            _ => Err(BadLimit { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_unit_and_bounds() {
        for (text, millis) in [("1ms", 1), ("500ms", 500), ("20s", 20_000), ("600s", 600_000)] {
            assert_eq!(text.parse(), Ok(Limit { millis }));
        }
        for text in
            ["", "5", "s", "ms", "0s", "-1s", "+1s", "1.5s", "601s", "1m", "99999999999999999999s"]
        {
            let message = text.parse::<Limit>().unwrap_err().to_string();
            assert_eq!(message, format!("`{text}` is no time limit"));
        }
    }
}
