//! Dependency fields of packages: `a (>= 1.2) | b, c:any`.

use super::version;

/// One comma-separated part: it is met by any one of its alternatives.
pub type Group = Vec<Relation>;

/// A package name with the versions of it that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The package, or what packages provide.
    pub name: String,
    /// The bound on its version, where there is one.
    pub bound: Option<Bound>,
}

/// A comparison with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    operator: Operator,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Earlier,
    EarlierOrEqual,
    Equal,
    LaterOrEqual,
    Later,
}

impl Bound {
    /// Returns the version compared with; in a `Provides` field, the version provided.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Says whether `candidate` satisfies the bound.
    pub fn admits(&self, candidate: &str) -> bool {
        let order = version::compare(candidate, &self.version);
        match self.operator {
            Operator::Earlier => order.is_lt(),
            Operator::EarlierOrEqual => order.is_le(),
            Operator::Equal => order.is_eq(),
            Operator::LaterOrEqual => order.is_ge(),
            Operator::Later => order.is_gt(),
        }
    }
}

/// Parses a `Depends`, `Pre-Depends` or `Provides` field; `None` when it is malformed.
pub fn parse(field: &str) -> Option<Vec<Group>> {
    field
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.split('|').map(parse_relation).collect())
        .collect()
}

fn parse_relation(text: &str) -> Option<Relation> {
    let text = text.trim();
    let (name, bound) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(parse_bound(rest.strip_suffix(')')?.trim())?)),
        None => (text, None),
    };
    // `:any` and `:native` tell which architectures will do. There is only one here.
    let name = name.split(':').next()?;
    let well_formed = !name.is_empty() && !name.contains(char::is_whitespace);
    well_formed.then(|| Relation { name: name.to_owned(), bound })
}

fn parse_bound(text: &str) -> Option<Bound> {
    let digits = text.find(|c| !matches!(c, '<' | '=' | '>'))?;
    let (operator, version) = text.split_at(digits);
    let operator = match operator {
        "<<" => Operator::Earlier,
        "<=" => Operator::EarlierOrEqual,
        "=" => Operator::Equal,
        ">=" => Operator::LaterOrEqual,
        ">>" => Operator::Later,
        _ => return None,
    };
    Some(Bound { operator, version: version.trim().to_owned() })
}

impl std::fmt::Display for Relation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)?;
        let Some(bound) = &self.bound else {
            return Ok(());
        };
        let operator = match bound.operator {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        };
        write!(formatter, " ({operator} {})", bound.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_bounds_and_qualifiers_are_told_apart() {
        let groups = parse("libc6 (>= 2.38), python3:any | perl (<< 6), a(=1)").unwrap();
        let words: Vec<Vec<String>> =
            groups.iter().map(|group| group.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(
            words,
            [vec!["libc6 (>= 2.38)"], vec!["python3", "perl (<< 6)"], vec!["a (= 1)"]]
        );
    }

    #[test]
    fn malformed_fields_are_refused() {
        for field in ["a (>= 1", "a (~ 1)", "a (> 1)", "a | ", "a b", "a (>=)"] {
            assert_eq!(parse(field), None, "{field}");
        }
    }

    #[test]
    fn bounds_admit_what_their_operator_says() {
        let table = [
            ("a (<< 2)", [true, false, false]),
            ("a (<= 2)", [true, true, false]),
            ("a (= 2)", [false, true, false]),
            ("a (>= 2)", [false, true, true]),
            ("a (>> 2)", [false, false, true]),
        ];
        for (field, expected) in table {
            let groups = parse(field).unwrap();
            let bound = groups[0][0].bound.as_ref().unwrap();
            assert_eq!(["1", "2", "3"].map(|version| bound.admits(version)), expected, "{field}");
        }
    }
}
