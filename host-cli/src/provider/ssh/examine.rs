//! What a machine of the user's has and lacks, as a doctor's rows.

use super::SshProvider;
use super::packages::{Family, cure};
use super::survey::{Survey, Switch};
use crate::error::{Error, Hint as _};
use crate::finding::{Finding, State};

impl SshProvider {
    /// Examines the machine and changes nothing there.
    ///
    /// # Errors
    /// It can't be reached; what it lacks is a row.
    pub async fn examine(&self) -> Result<Vec<Finding>, Error> {
        let endpoint = self.endpoint(true).await?;
        let (connection, survey) = self.look(&endpoint).await?;
        let (user, address) = (&endpoint.user, &endpoint.address);
        let key = match connection.first_seen() {
            Some(_) => "its host key was not known: pinned now",
            None => "its host key is known",
        };
        let reached = row("SSH", format!("`{user}` gets in at {address}, {key}"));
        Ok(findings(&survey, &self.target.host, user, reached))
    }
}

fn findings(survey: &Survey, host: &str, user: &str, reached: Finding) -> Vec<Finding> {
    let mut findings = vec![reached];
    let Survey { system, machine, kernel, .. } = survey;
    match survey.check(host, user) {
        Ok(_) => {
            findings.push(row("machine", format!("{system} {kernel}, {machine}, root by {user}")));
        }
        // Without this nothing else matters.
        Err(error) => {
            findings.push(bad("machine", error.to_string(), Some(error.hint())));
            return findings;
        }
    }
    match survey.lacks_modules.as_slice() {
        [] => findings.push(row("kernel modules", "all that labs need".to_owned())),
        lacks => findings.push(bad(
            "kernel modules",
            format!("there is no {}", lacks.join(", ")),
            Some(
                "install the kernel package that has them (on Fedora `kernel-modules`, on Ubuntu \
                 `linux-modules-extra`), or boot another kernel"
                    .to_owned(),
            ),
        )),
    }
    for command in &survey.lacks_commands {
        let cure = match (survey.family, survey.family.and_then(|it| it.package(command))) {
            (Some(_), Some(package)) => {
                format!("the package `{package}` has it; `netlab doctor --fix` installs it")
            }
            (Some(Family::Alpine), None) => {
                "Alpine has no package with it: lab 3 can't run there".to_owned()
            }
            (Some(Family::Debian | Family::Fedora) | None, None) | (None, Some(_)) => {
                "install it with the machine's own package manager".to_owned()
            }
        };
        findings.push(bad("command", format!("there is no `{command}`"), Some(cure)));
    }
    if survey.lacks_commands.is_empty() {
        findings.push(row("commands", "all that labs need".to_owned()));
    }
    findings.push(switch_row(survey));
    findings
}

fn switch_row(survey: &Survey) -> Finding {
    const WHAT: &str = "Open vSwitch";
    let fix = || match cure(survey).last() {
        Some(line) => format!("`netlab doctor --fix` does it: `{line}`"),
        None => "start `ovs-vswitchd` there as its system does".to_owned(),
    };
    match survey.switch {
        Switch::Runs => row(WHAT, "it runs".to_owned()),
        Switch::Stopped => bad(WHAT, "`ovs-vswitchd` does not run".to_owned(), Some(fix())),
        Switch::Deaf => bad(
            WHAT,
            "it runs without handler threads, since it was started just after boot, and forwards \
             nothing"
                .to_owned(),
            Some(fix()),
        ),
    }
}

fn row(what: &str, detail: String) -> Finding {
    Finding { what: what.to_owned(), state: State::Good, detail, cure: None }
}

fn bad(what: &str, detail: String, cure: Option<String>) -> Finding {
    Finding { what: what.to_owned(), state: State::Bad, detail, cure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ssh::survey::Root;

    fn shown(survey: &Survey) -> Vec<String> {
        let reached = row("SSH", "in".to_owned());
        let findings = findings(survey, "pi", "ann", reached);
        let shown = |it: &Finding| {
            let Finding { what, state, detail, cure } = it;
            format!("{state:?} {what}: {detail} | {}", cure.as_deref().unwrap_or("-"))
        };
        findings.iter().skip(1).map(shown).collect()
    }

    #[test]
    fn each_row_says_what_is_missing_and_the_cure() {
        let whole = Survey {
            system: "Linux".to_owned(),
            machine: "x86_64".to_owned(),
            kernel: "6.12".to_owned(),
            root: Root::Sudo,
            family: Some(Family::Debian),
            has_cgroup2: true,
            lacks_commands: Vec::new(),
            lacks_modules: Vec::new(),
            switch: Switch::Runs,
        };
        assert_eq!(
            shown(&whole),
            [
                "Good machine: Linux 6.12, x86_64, root by ann | -",
                "Good kernel modules: all that labs need | -",
                "Good commands: all that labs need | -",
                "Good Open vSwitch: it runs | -",
            ]
        );
        let poor = Survey {
            lacks_commands: vec!["dhclient".to_owned()],
            lacks_modules: vec!["openvswitch".to_owned()],
            switch: Switch::Stopped,
            ..whole.clone()
        };
        let rows = shown(&poor);
        assert!(rows[1].starts_with("Bad kernel modules: there is no openvswitch | install"));
        assert_eq!(
            rows[2],
            "Bad command: there is no `dhclient` | the package `isc-dhcp-client` has it; `netlab \
             doctor --fix` installs it"
        );
        let unfit = Survey { root: Root::Password, ..whole };
        let rows = shown(&unfit);
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0].starts_with("Bad machine: on `pi`, `ann` is not root"), "{rows:?}");
    }
}
