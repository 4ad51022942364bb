//! The tables that describe a lab (`toml lab`) and a step (`toml step`).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use netlab_protocol::Needs;

use super::markdown::Fence;
use super::mistake::{Explain, Found};
use super::name;
use super::source::{Located, Span};
use super::table::{Key, Table};

/// What a `toml lab` fence says.
#[derive(Debug)]
pub struct Header {
    /// What the lab is called on the command line.
    pub id: String,
    /// One sentence for the list of labs.
    pub summary: String,
    /// How long a reader takes, in minutes.
    pub minutes: u32,
    /// Namespaces that the lab makes.
    pub namespaces: Vec<Located<String>>,
    /// Files and folders that the lab makes outside its own folder.
    pub files: Vec<String>,
    /// Interfaces and bridges that the lab makes in root.
    pub interfaces: Vec<String>,
    /// Names of programs that the lab starts and may end by name.
    pub processes: Vec<String>,
    /// IPv4 networks of the lab's own.
    pub networks: Vec<String>,
    /// What must be there before the first step.
    pub needs: Needs,
    /// Fixed values.
    pub values: BTreeMap<String, String>,
}

const ID: Key = Key { name: "id", example: "id = \"my-lab\"" };
const SUMMARY: Key = Key { name: "summary", example: "summary = \"What the reader learns\"" };
const MINUTES: Key = Key { name: "minutes", example: "minutes = 5" };
const NAMESPACES: Key = Key { name: "namespaces", example: "namespaces = [\"red\", \"blue\"]" };
const FILES: Key = Key { name: "files", example: "files = [\"/run/red.pid\"]" };
const INTERFACES: Key = Key { name: "interfaces", example: "interfaces = [\"ovs1\"]" };
const PROCESSES: Key = Key { name: "processes", example: "processes = [\"dnsmasq\"]" };
const NETWORKS: Key = Key { name: "networks", example: "networks = [\"10.0.0.0/24\"]" };
const NEEDS: Key = Key { name: "needs", example: "needs = { services = [\"openvswitch\"] }" };
const VALUES: Key = Key { name: "values", example: "values = { PORT = \"4000\" }" };
const QUIET: Key = Key { name: "quiet", example: "quiet = true" };

const LAB_KEYS: [Key; 10] =
    [ID, SUMMARY, MINUTES, NAMESPACES, FILES, INTERFACES, PROCESSES, NETWORKS, NEEDS, VALUES];
const STEP_KEYS: [Key; 1] = [QUIET];

/// What can be wrong with what these tables say.
#[derive(Debug, thiserror::Error)]
pub enum HeaderMistake {
    /// An id that can't be typed on a command line without thought.
    #[error("`{id}` is no id for a lab")]
    Id { id: String },
    /// Minutes out of bounds.
    #[error("`minutes` is a number from 1 to 600")]
    Minutes,
    /// A namespace's name that Linux or netlab does not take.
    #[error("`{name}` is no name for a namespace")]
    Namespace { name: String },
    /// A namespace listed twice.
    #[error("namespace `{name}` is listed twice")]
    NamespaceTwice { name: String },
    /// A path that is not absolute, or goes up.
    #[error("`{path}` is no absolute path")]
    File { path: String },
    /// A name that neither an interface nor a process can have.
    #[error("`{name}` is no name for {what}")]
    Kernels { name: String, what: &'static str },
    /// A text that is no network.
    #[error("`{text}` is no IPv4 network")]
    Network { text: String },
    /// A value's name that is none.
    #[error("`{name}` is no name for a value")]
    Value { name: String },
    /// A value's name that the shell uses itself.
    #[error("`{name}` belongs to the shell")]
    ShellsOwn { name: String },
}

impl Explain for HeaderMistake {
    fn cure(&self) -> String {
        match self {
            Self::Id { .. } => {
                "write lower-case letters, digits and `-`, with a letter, such as `my-lab`"
            }
            Self::Minutes => "write `minutes = 5`",
            Self::Namespace { .. } => {
                "write letters, digits, `-`, `_` and `.`, such as `red`; \
                                       `root` is the guest's own"
            }
            Self::NamespaceTwice { .. } => "leave one out",
            Self::File { .. } => "write it from `/` on, without `..`, such as `/run/red.pid`",
            Self::Kernels { .. } => "write at most 15 characters, without `/` and spaces",
            Self::Network { .. } => "write its first address and its length, such as `10.0.0.0/24`",
            Self::Value { .. } => "write capital letters, digits and `_`, such as `PORT`",
            Self::ShellsOwn { .. } => "choose another name, such as `RED_HOME`",
        }
        .to_owned()
    }
}

/// Reads a `toml lab` fence; `None` if what it must say is not there.
pub fn lab(fence: &Fence, found: &mut Found) -> Option<Header> {
    let mut table = Table::parse(fence, "lab", found)?;
    let id = table.required_text(ID, found).map(|id| lab_id(id, found));
    let summary = table.required_text(SUMMARY, found);
    let minutes = table.number(MINUTES, found);
    let namespaces = namespaces(table.texts(NAMESPACES, found), found);
    let files = table.texts(FILES, found).into_iter().map(|path| file(path, found)).collect();
    let mut names = |key, what| -> Vec<String> {
        let texts = table.texts(key, found);
        texts.into_iter().map(|name| kernels(name, what, found)).collect()
    };
    let interfaces = names(INTERFACES, "an interface");
    let processes = names(PROCESSES, "a process");
    let networks = table.texts(NETWORKS, found);
    let networks = networks.into_iter().map(|text| network(text, found)).collect();
    let needs = table.read::<Needs>(NEEDS, found).map(|needs| needs.value).unwrap_or_default();
    let values = table.text_table(VALUES, found);
    let values = values.into_iter().map(|(name, text)| value(name, text, found)).collect();
    let minutes = match minutes {
        None => DEFAULT_MINUTES,
        Some(minutes) => minutes_of(minutes, found),
    };
    table.finish(&LAB_KEYS, found);
    let (id, summary) = (id?, summary?.value);
    Some(Header {
        id,
        summary,
        minutes,
        namespaces,
        files,
        interfaces,
        processes,
        networks,
        needs,
        values,
    })
}

/// What a lab without `minutes` is said to take.
const DEFAULT_MINUTES: u32 = 5;

/// Reads a `toml step` fence: whether the step is quiet.
pub fn step(fence: &Fence, found: &mut Found) -> bool {
    let Some(mut table) = Table::parse(fence, "step", found) else {
        return false;
    };
    let quiet = table.flag(QUIET, found);
    table.finish(&STEP_KEYS, found);
    quiet
}

fn lab_id(id: Located<String>, found: &mut Found) -> String {
    // A number alone is how the built-in labs are asked for.
    if !name::is_id(&id.value) || id.value.bytes().all(|byte| byte.is_ascii_digit()) {
        found.push(id.span, HeaderMistake::Id { id: id.value.clone() });
    }
    id.value
}

fn minutes_of(minutes: Located<i64>, found: &mut Found) -> u32 {
    match u32::try_from(minutes.value) {
        Ok(minutes @ 1..=600) => minutes,
        Ok(_) | Err(_) => {
            found.push(minutes.span, HeaderMistake::Minutes);
            DEFAULT_MINUTES
        }
    }
}

fn namespaces(names: Vec<Located<String>>, found: &mut Found) -> Vec<Located<String>> {
    let mut seen: Vec<Located<String>> = Vec::new();
    for Located { value: name, span } in names {
        if !name::is_namespace(&name) {
            found.push(span, HeaderMistake::Namespace { name });
        } else if seen.iter().any(|earlier| earlier.value == name) {
            found.push(span, HeaderMistake::NamespaceTwice { name });
        } else {
            seen.push(Located::new(name, span));
        }
    }
    seen
}

fn file(path: Located<String>, found: &mut Found) -> String {
    let mut parts = path.value.split('/');
    let absolute = parts.next() == Some("");
    // The list is what is removed at the end: nothing may be in it that climbs or is empty.
    if !absolute || parts.any(|part| matches!(part, "" | "." | "..")) {
        found.push(path.span, HeaderMistake::File { path: path.value.clone() });
    }
    path.value
}

/// A name as the kernel takes it for an interface, and shows it of a process.
fn kernels(name: Located<String>, what: &'static str, found: &mut Found) -> String {
    let fits = (1..=KERNEL_NAME_BYTES).contains(&name.value.len())
        && !name.value.contains(|character: char| character == '/' || character.is_whitespace());
    if !fits {
        found.push(name.span, HeaderMistake::Kernels { name: name.value.clone(), what });
    }
    name.value
}

/// A network other than all of them: what is routed there would be the user's own.
fn network(text: Located<String>, found: &mut Found) -> String {
    let parts = text.value.split_once('/').and_then(|(address, length)| {
        Some((u32::from(address.parse::<Ipv4Addr>().ok()?), length.parse::<u32>().ok()?))
    });
    let is_network = |(address, length): (u32, u32)| {
        (8..=32).contains(&length) && address.checked_shl(length).unwrap_or_default() == 0
    };
    if !parts.is_some_and(is_network) {
        found.push(text.span, HeaderMistake::Network { text: text.value.clone() });
    }
    text.value
}

/// Longest such name: IFNAMSIZ and TASK_COMM_LEN are 16, with the final NUL.
const KERNEL_NAME_BYTES: usize = 15;

fn value(name: String, text: Located<String>, found: &mut Found) -> (String, String) {
    let span: Span = text.span;
    if name::is_shells_own(&name) {
        found.push(span, HeaderMistake::ShellsOwn { name: name.clone() });
    } else if !name::is_value(&name) {
        found.push(span, HeaderMistake::Value { name: name.clone() });
    }
    (name, text.value)
}
