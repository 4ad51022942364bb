//! The names in a group: `seat-01` … `seat-40`. Pure functions of names.

use crate::instance::{InstanceError, Name};

/// Fewest digits of a member's number, so that the names of most groups sort as they are counted.
const DIGITS: usize = 2;

/// The members of the group `name` among `instances`, by number; none if an instance has the name
/// itself.
pub fn members(name: &Name, instances: &[Name]) -> Vec<Name> {
    if instances.contains(name) {
        return Vec::new();
    }
    let numbered = |instance: &Name| Some((number(name, instance)?, instance.clone()));
    let mut members: Vec<_> = instances.iter().filter_map(numbered).collect();
    members.sort();
    members.into_iter().map(|(_, instance)| instance).collect()
}

/// Names for a group of `count`, the numbers as wide as that of the last one; a member that is among
/// `instances` goes by the name that it has.
///
/// # Errors
/// [`InstanceError::Name`] if a name becomes too long.
pub fn seats(group: &Name, count: u16, instances: &[Name]) -> Result<Vec<Name>, InstanceError> {
    let width = count.to_string().len().max(DIGITS);
    let there = |wanted| instances.iter().find(|it| number(group, it) == Some(wanted)).cloned();
    let name = |number| format!("{group}-{number:0width$}").parse();
    (1..=count).map(|number| there(number).map_or_else(|| name(number), Ok)).collect()
}

/// The number of a member of `group`.
fn number(group: &Name, instance: &Name) -> Option<u16> {
    let digits = instance.as_str().strip_prefix(group.as_str())?.strip_prefix('-')?;
    let plain = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn found(group: &str, instances: &[&str]) -> Vec<String> {
        let instances: Vec<_> = instances.iter().map(|text| name(text)).collect();
        members(&name(group), &instances).into_iter().map(String::from).collect()
    }

    #[test]
    fn a_group_is_what_has_its_name_and_a_number() {
        let all = ["default", "room-01", "seat-1", "seat-02", "seat-10", "seat-a1", "seat-01-02"];
        assert_eq!(found("seat", &all), ["seat-02", "seat-10"]);
        assert_eq!(found("room", &all), ["room-01"]);
        assert_eq!(found("seat-01", &all), ["seat-01-02"]);
        assert_eq!(found("sea", &all), [""; 0]);
        assert_eq!(
            found("seat", &["seat-100", "seat-20", "seat-003"]),
            ["seat-003", "seat-20", "seat-100"]
        );
    }

    #[test]
    fn an_instance_of_the_name_itself_goes_before_the_group() {
        assert_eq!(found("seat", &["seat", "seat-01"]), [""; 0]);
    }

    #[test]
    fn numbers_have_two_digits_or_as_many_as_the_last() {
        let names = |count| seats(&name("seat"), count, &[name("seat-01")]).unwrap();
        assert_eq!(names(2), [name("seat-01"), name("seat-02")]);
        assert_eq!(names(100)[..2], [name("seat-01"), name("seat-002")]);
        assert_eq!(names(100)[99], name("seat-100"));
        let long = name(&"s".repeat(30));
        assert!(matches!(seats(&long, 1, &[]), Err(InstanceError::Name(_))));
    }
}
