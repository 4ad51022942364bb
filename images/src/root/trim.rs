//! Which paths the recipe removes.

/// Says whether a path lies at or below one of the patterns.
pub fn matches_any(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| {
        let mut parts = path.split('/');
        pattern.split('/').all(|wanted| parts.next().is_some_and(|part| fits(wanted, part)))
    })
}

/// Compares one name with a pattern that may have a single `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_lies_below_them_and_nothing_else() {
        let patterns = ["usr/share/doc", "etc/cron*", "usr/lib/*/gconv"].map(str::to_owned);
        let table = [
            ("usr/share/doc", true),
            ("usr/share/doc/bash/copyright", true),
            ("usr/share/doc-base", false),
            ("usr/share", false),
            ("etc/cron.d/job", true),
            ("etc/crypttab", false),
            ("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", true),
            ("usr/lib/gconv", false),
        ];
        for (path, expected) in table {
            assert_eq!(matches_any(&patterns, path), expected, "{path}");
        }
    }
}
