//! A lab, validated and flattened into what the agent runs, in order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::Check;

/// A whole lab, ready to run. Values of the form `$NAME` in it are still unexpanded: some are
/// only known while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Id of the lab, for messages and the ledger.
    pub lab: String,
    /// Namespaces that the lab makes. One that exists before the lab starts is refused by name.
    pub namespaces: Vec<String>,
    /// Files and folders outside the lab's own folder that the lab makes, absolute; they are
    /// removed at the end, and refused by name if they exist before.
    pub files: Vec<String>,
    /// Interfaces and bridges that the lab makes in the guest's first namespace. One that exists
    /// before the lab starts is refused by name; at the end what the lab has really made is removed,
    /// and on a machine that is lent only if it is one of these.
    pub interfaces: Vec<String>,
    /// Names of programs that the lab starts and may end by name. One that runs before the lab
    /// starts is refused, since it would be ended too.
    pub processes: Vec<String>,
    /// IPv4 networks of the lab's own, such as `10.0.0.0/24`. While it is open, what the guest's first
    /// namespace sends there does not leave the guest by its default route.
    pub networks: Vec<String>,
    /// What must be there before the first step.
    pub needs: Needs,
    /// Fixed values, by name without the `$`.
    pub values: BTreeMap<String, String>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// What a lab needs from the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Programs that must be found in `PATH`.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Kernel modules that must be loaded or built in.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Services of the guest that must run.
    #[serde(default)]
    pub services: Vec<Service>,
}

/// A service of the guest that the agent can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// `ovsdb-server` and `ovs-vswitchd`.
    Openvswitch,
}

/// One step: a heading of the lab file and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The heading.
    pub title: String,
    /// One to three sentences: why.
    pub why: String,
    /// Whether the step only rebuilds what an earlier lab left: it runs and is checked, and is
    /// told in one line.
    pub quiet: bool,
    /// Commands and checks, in the order of the file.
    pub actions: Vec<Action>,
    /// What must fail once the mechanism is taken away.
    pub counterfactuals: Vec<Counterfactual>,
}

/// One fence of a step, or one line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Runs to its end.
    Run(Command),
    /// Goes on beside the lab.
    Start(Background),
    /// Proves one claim.
    Check(Check),
}

/// A command line that runs to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Line of the lab file on which the command begins, from 1.
    pub line: u32,
    /// Where it runs.
    pub place: Place,
    /// The shell command, as typed.
    pub text: String,
    /// Which exit status is right.
    pub exit: ExitRule,
    /// Time limit in milliseconds; the command is killed after it.
    pub within_ms: u64,
    /// Name under which its standard output, trimmed, is kept for later steps.
    pub keep: Option<String>,
}

/// Which exit status a command must end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitRule {
    /// Exactly this one.
    Code(i32),
    /// Any; death by a signal is still a failure.
    Any,
}

/// A command that the lab leaves running, and that ends with the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Line of the lab file on which the command begins, from 1.
    pub line: u32,
    /// Name by which checks and later steps know it. A later one of the same name replaces it.
    pub name: String,
    /// Where it runs.
    pub place: Place,
    /// The shell command, as typed.
    pub text: String,
    /// What must hold before the lab goes on.
    pub ready: Ready,
    /// Deadline for `ready`, in milliseconds.
    pub within_ms: u64,
}

/// Returns the name under which a background command's process id is known: `dhcp-r` gives
/// `DHCP_R_PID`.
pub fn pid_value(background: &str) -> String {
    format!("{}_PID", background.to_ascii_uppercase().replace('-', "_"))
}

/// The sign that a background command is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ready {
    /// A TCP socket listens on this port in the command's namespace. It is looked up in the
    /// kernel's table: a connection would use up a server that takes only one.
    Tcp(u16),
    /// A UDP socket is bound to this port in the command's namespace.
    Udp(u16),
    /// This file exists and is not empty.
    File(String),
    /// The command has printed a line that contains this text, on either stream.
    Log(String),
}

/// The proof that a step's mechanism is what makes its checks hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counterfactual {
    /// The heading, such as `without blue's port on the switch`.
    pub title: String,
    /// Takes the mechanism away.
    pub take_away: Vec<Action>,
    /// Ids of the checks of this lab that must now come out the other way.
    pub fails: Vec<String>,
    /// Puts the mechanism back; after it the same checks must hold again.
    pub undo: Vec<Action>,
}

/// Where a command or a check runs: the guest's first network namespace, or a named one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Place {
    /// The namespace that the guest booted in.
    Root,
    /// A namespace as `ip netns` names it.
    Namespace(String),
}

/// How the lab file writes [`Place::Root`]; no namespace can have this name.
const ROOT: &str = "root";

impl Place {
    /// The word that the lab file and the terminal use for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Root => ROOT,
            Self::Namespace(name) => name,
        }
    }
}

impl From<String> for Place {
    fn from(name: String) -> Self {
        if name == ROOT { Self::Root } else { Self::Namespace(name) }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.name().to_owned()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_is_known_by_the_name_in_capitals() {
        assert_eq!(pid_value("dhcp-r"), "DHCP_R_PID");
    }
}
