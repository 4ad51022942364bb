//! The names of all kinds of probe, asked of [`Probe`]'s own reader.
//!
//! Serde hands an enum's variant names to whoever deserializes it. Asking for them there keeps
//! the list in one place: the enum.

use std::fmt;
use std::sync::OnceLock;

use netlab_protocol::Probe;
use serde::de::{self, Deserialize as _, Visitor};

/// Returns the keys that a check may have for its probe.
pub fn probe_names() -> &'static [&'static str] {
    static NAMES: OnceLock<&'static [&'static str]> = OnceLock::new();
    NAMES.get_or_init(|| match Probe::deserialize(Asker) {
        Err(Answer(names)) => names,
        Ok(_) => &[],
    })
}

/// A deserializer that has no value, and answers with what it is asked for.
struct Asker;

/// The names that were asked for.
#[derive(Debug)]
struct Answer(&'static [&'static str]);

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

impl std::error::Error for Answer {}

impl de::Error for Answer {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> de::Deserializer<'de> for Asker {
    type Error = Answer;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Answer> {
        Err(Answer(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Answer> {
        Err(Answer(variants))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_known_by_the_key_that_its_kind_has() {
        assert!(probe_names().contains(&"reach"), "{:?}", probe_names());
        let probe = Probe::Links(vec!["lo".to_owned()]);
        assert!(probe_names().contains(&probe.kind()));
    }
}
