//! Every name on the host's disk, in one table. The rule: paths of sockets are short, because a
//! system takes only about a hundred bytes of them.
//!
//! ```text
//! <home>/cache/                 shared by all instances: packages, images  netlab-images
//! <home>/cache/accel.json       which accelerators really work here       provider/qemu/accel
//! <home>/cache/tiers.json       which ways to start a guest work here     provider/qemu/tier
//! <home>/cache/templates/       guests that others go on from             provider/qemu/template
//! <home>/cache/trials/lock      held while an accelerator is tried         provider/qemu/trial
//! <home>/cache/trials/<uuid>/   one trial: the console, and what QEMU says provider/qemu/trial
//! <home>/checkpoints/<name>/    saved states of a guest, which outlive it   provider/qemu/checkpoint
//! <home>/i/<name>/lock          held while the instance starts or ends     instance/lock
//! <home>/i/<name>/lab.lock      held while a lab runs, or the guest is swapped  instance/lab_lock
//! <home>/i/<name>/lab           there once a lab has run in the guest      instance/usage
//! <home>/i/<name>/step.json     how far a lab has come that has not ended   instance/progress
//! <home>/i/<name>/work          there once the user has worked in it       instance/usage
//! <home>/i/<name>/ssh           there once other programs know the way in  instance/usage
//! <home>/i/<name>/record.json   what runs, or is about to                  instance/record
//! <home>/i/<name>/ssh.json      the machine of the user's that the name is for  provider/ssh
//! <home>/i/<name>/vagrant.conf  how Vagrant says to reach its machine      provider/vagrant
//! <home>/i/<name>/id            the client's private key                   ssh/keys
//! <home>/i/<name>/host_key      the guest's private host key, for a swap   ssh/keys
//! <home>/i/<name>/known_hosts   the guest's pinned host key                ssh/keys, provider/ssh
//! <home>/i/<name>/serial.log    the guest's console                        QEMU
//! <home>/i/<name>/qemu.log      what QEMU itself says                      QEMU
//! <home>/i/<name>/qmp.sock      QEMU's control socket                      QEMU
//! <home>/i/<name>/boot.sock     host side of the guest's boot channel      QEMU
//! <home>/i/<name>/state.sock    a guest's state on its way in or out         provider/qemu/migrate
//! ```

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{InstanceError, Name, remove_file};
use crate::platform::{self, ChannelKind, Platform};

/// Longest path of a Unix socket, in bytes: macOS has 104 with the final NUL, Linux 108. The
/// smaller one holds everywhere, so that a home works wherever it is mounted.
const MAX_SOCKET_PATH_BYTES: usize = 103;

/// The folder of everything that netlab keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    cache: PathBuf,
}

impl Home {
    /// Takes `NETLAB_HOME`, or else the system's folder for the user's data; `NETLAB_CACHE` puts
    /// what all instances share elsewhere.
    ///
    /// # Errors
    /// [`InstanceError::NoHome`] if there is neither; [`InstanceError::File`] if a relative one
    /// can't be made absolute.
    pub fn from_environment() -> Result<Self, InstanceError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self::from_variables(variable("NETLAB_HOME"), variable("NETLAB_CACHE"))
    }

    fn from_variables(
        home: Option<OsString>,
        cache: Option<OsString>,
    ) -> Result<Self, InstanceError> {
        let root = match home {
            Some(value) => absolute(value)?,
            None => directories::ProjectDirs::from("", "", "netlab")
                .ok_or(InstanceError::NoHome)?
                .data_local_dir()
                .to_owned(),
        };
        let home = Self::at(root);
        Ok(match cache {
            Some(value) => Self { cache: absolute(value)?, ..home },
            None => home,
        })
    }

    /// Takes a folder, for tests and tools.
    pub fn at(root: PathBuf) -> Self {
        let cache = root.join("cache");
        Self { root, cache }
    }

    /// Makes sure that nobody else can change what is in its folders, or in those above a guest's: they
    /// could read its keys, or give it another image.
    ///
    /// # Errors
    /// [`InstanceError::Exposed`], or [`InstanceError::File`] if one can't be looked at.
    pub fn check_private(&self) -> Result<(), InstanceError> {
        for path in [&self.root, &self.instances_folder(), &self.cache] {
            let failed =
                |source| InstanceError::File { action: "look at", path: path.clone(), source };
            if let Some(exposure) = platform::exposure(path).map_err(failed)? {
                return Err(InstanceError::Exposed { path: path.clone(), exposure });
            }
        }
        Ok(())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What all instances share.
    pub fn cache(&self) -> PathBuf {
        self.cache.clone()
    }

    /// Which accelerators really work here.
    pub fn accelerator_verdicts(&self) -> PathBuf {
        self.cache().join("accel.json")
    }

    /// Where accelerators are tried.
    pub fn trials(&self) -> PathBuf {
        self.cache.join("trials")
    }

    /// Held while one is tried.
    pub fn trials_lock(&self) -> PathBuf {
        self.trials().join("lock")
    }

    /// Which tiers of a start really work here.
    pub fn tier_verdicts(&self) -> PathBuf {
        self.cache.join("tiers.json")
    }

    /// Saved guests from which others go on.
    pub fn templates(&self) -> PathBuf {
        self.cache.join("templates")
    }

    /// Where a guest is booted that is to be saved: an instance of its own, with a lock, a record
    /// and sockets.
    pub fn workshop(&self) -> InstancePaths {
        InstancePaths { name: Name::workshop(), folder: self.templates().join("w") }
    }

    /// Folders of all instances.
    fn instances_folder(&self) -> PathBuf {
        self.root.join("i")
    }

    /// Saved states of one instance.
    pub fn checkpoints(&self, name: &Name) -> PathBuf {
        self.all_checkpoints().join(name.as_str())
    }

    /// Folders of the saved states of all instances.
    pub fn all_checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The files of one instance. Makes nothing.
    pub fn instance(&self, name: &Name) -> InstancePaths {
        InstancePaths { name: name.clone(), folder: self.instances_folder().join(name.as_str()) }
    }

    /// Names of all instances that have a folder, sorted.
    ///
    /// # Errors
    /// [`InstanceError::File`] if the folder of folders is there but can't be read.
    pub fn instances(&self) -> Result<Vec<Name>, InstanceError> {
        let folder = self.instances_folder();
        let failed = |source| InstanceError::File { action: "read", path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file_name = entry.map_err(failed)?.file_name();
            // Whatever has another name was not made by us.
            names.extend(file_name.to_str().and_then(|text| text.parse::<Name>().ok()));
        }
        names.sort();
        Ok(names)
    }
}

/// The files of one instance; see the table above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstancePaths {
    name: Name,
    folder: PathBuf,
}

impl InstancePaths {
    /// The instance's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The folder of everything below.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Held while the instance starts or ends.
    pub fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// Held while a lab runs in the guest, or while another guest takes its place.
    pub fn lab_lock(&self) -> PathBuf {
        self.folder.join("lab.lock")
    }

    /// There once a lab has run in the guest.
    pub fn lab_mark(&self) -> PathBuf {
        self.folder.join("lab")
    }

    /// How far a lab has come that has not ended.
    pub fn progress(&self) -> PathBuf {
        self.folder.join("step.json")
    }

    /// There once the user has worked in the guest.
    pub fn work_mark(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// There once other programs have been told the way in.
    pub fn ssh_mark(&self) -> PathBuf {
        self.folder.join("ssh")
    }

    /// What runs, or is about to.
    pub fn record(&self) -> PathBuf {
        self.folder.join("record.json")
    }

    /// The machine of the user's that the name is for.
    pub fn lent_record(&self) -> PathBuf {
        self.folder.join("ssh.json")
    }

    /// How Vagrant says to reach its machine, for OpenSSH.
    pub fn vagrant_config(&self) -> PathBuf {
        self.folder.join("vagrant.conf")
    }

    /// The client's private key.
    pub fn identity(&self) -> PathBuf {
        self.folder.join("id")
    }

    /// The guest's private host key.
    pub fn host_key(&self) -> PathBuf {
        self.folder.join("host_key")
    }

    /// The guest's pinned host key.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The guest's console.
    pub fn serial_log(&self) -> PathBuf {
        self.folder.join("serial.log")
    }

    /// What QEMU itself says.
    pub fn qemu_log(&self) -> PathBuf {
        self.folder.join("qemu.log")
    }

    /// QEMU's control channel, as the host connects to it.
    pub fn control_channel(&self, platform: Platform) -> String {
        self.channel(platform, "qmp")
    }

    /// Host side of the guest's boot channel, as the host connects to it.
    pub fn boot_channel(&self, platform: Platform) -> String {
        self.channel(platform, "boot")
    }

    /// Where a guest's state goes in or out.
    pub fn state_socket(&self) -> PathBuf {
        self.folder.join("state.sock")
    }

    fn channel(&self, platform: Platform, word: &str) -> String {
        match platform.channel_kind() {
            ChannelKind::UnixSocket => {
                self.folder.join(format!("{word}.sock")).to_string_lossy().into_owned()
            }
            // Pipes have a name space of their own, without folders.
            ChannelKind::NamedPipe => format!(r"\\.\pipe\netlab-{}-{word}", self.name),
        }
    }

    /// Checks that QEMU can make its sockets.
    ///
    /// # Errors
    /// [`InstanceError::PathTooLong`].
    pub fn check_socket_length(&self, platform: Platform) -> Result<(), InstanceError> {
        if platform.channel_kind() == ChannelKind::NamedPipe {
            return Ok(());
        }
        let longest = self.state_socket().to_string_lossy().into_owned();
        let length = longest.len();
        if length <= MAX_SOCKET_PATH_BYTES {
            return Ok(());
        }
        let limit = MAX_SOCKET_PATH_BYTES;
        Err(InstanceError::PathTooLong { path: longest.into(), length, limit })
    }

    /// Makes the folder, readable by nobody else.
    ///
    /// # Errors
    /// [`InstanceError::File`].
    pub fn create_folder(&self) -> Result<(), InstanceError> {
        platform::create_private_folder(&self.folder).map_err(|source| InstanceError::File {
            action: "make the folder",
            path: self.folder.clone(),
            source,
        })
    }

    /// Removes all that a guest which is gone leaves behind, its keys included: the next one gets
    /// new ones.
    ///
    /// # Errors
    /// [`InstanceError::File`]; files that aren't there are none.
    pub fn clear_run(&self) -> Result<(), InstanceError> {
        for path in [self.identity(), self.host_key(), self.known_hosts(), self.ssh_mark()] {
            remove_file(&path)?;
        }
        self.clear_machine()
    }

    /// Removes what one machine leaves behind that another is to take the place of: what was done in
    /// it, QEMU's sockets, and the record last, so that a run cut short in here is taken up again by
    /// the next one. The keys stay, and so does what other programs know of the way in.
    ///
    /// # Errors
    /// [`InstanceError::File`]; files that aren't there are none.
    pub fn clear_machine(&self) -> Result<(), InstanceError> {
        remove_file(&self.lab_mark())?;
        remove_file(&self.work_mark())?;
        if Platform::HOST.channel_kind() == ChannelKind::UnixSocket {
            remove_file(&PathBuf::from(self.control_channel(Platform::HOST)))?;
            remove_file(&PathBuf::from(self.boot_channel(Platform::HOST)))?;
        }
        remove_file(&self.record())
    }
}

/// QEMU outlives our working directory, so its paths must not depend on it.
fn absolute(value: OsString) -> Result<PathBuf, InstanceError> {
    std::path::absolute(&value).map_err(|source| InstanceError::File {
        action: "find",
        path: value.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Hint;
    use crate::instance::replace_file;

    fn paths(home: &str) -> InstancePaths {
        Home::at(home.into()).instance(&"netlab".parse().unwrap())
    }

    #[test]
    fn a_socket_path_that_no_system_takes_is_refused_with_its_cure() {
        // "/i/netlab/state.sock" has 20 bytes.
        let longest = "/".to_owned() + &"h".repeat(82);
        paths(&longest).check_socket_length(Platform::Macos).unwrap();
        let home = longest + "h";
        let error = paths(&home).check_socket_length(Platform::Linux).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the path `{home}/i/netlab/state.sock` has 104 bytes, but a socket's path can have \
                 only 103"
            )
        );
        assert_eq!(
            error.hint(),
            "set `NETLAB_HOME` to a folder with a shorter path, such as `~/.netlab`"
        );
        paths(&home).check_socket_length(Platform::Windows).unwrap();
    }

    #[test]
    fn relative_folders_are_meant_from_where_netlab_was_started() {
        let here = std::env::current_dir().unwrap();
        let home = Home::from_variables(Some("h".into()), Some("c".into())).unwrap();
        assert_eq!((home.root(), home.cache()), (here.join("h").as_path(), here.join("c")));
        let home = Home::from_variables(Some("h".into()), None).unwrap();
        assert_eq!(home.cache(), here.join("h").join("cache"));
    }

    #[test]
    fn channels_are_sockets_in_the_folder_or_named_pipes() {
        let paths = paths("/home/u/n");
        assert_eq!(paths.control_channel(Platform::Linux), "/home/u/n/i/netlab/qmp.sock");
        assert_eq!(paths.boot_channel(Platform::Windows), r"\\.\pipe\netlab-netlab-boot");
    }

    #[test]
    fn only_folders_with_an_instance_name_are_instances() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().to_owned());
        assert_eq!(home.instances().unwrap(), []);
        for name in ["b", "a", "Not ours"] {
            fs::create_dir_all(folder.path().join("i").join(name)).unwrap();
        }
        let names: Vec<String> = home.instances().unwrap().into_iter().map(String::from).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_machine_goes_without_the_keys_and_a_run_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        let machine = [paths.record(), paths.lab_mark(), paths.work_mark()];
        let keys = [paths.identity(), paths.host_key(), paths.known_hosts(), paths.ssh_mark()];
        for path in machine.iter().chain(&keys) {
            replace_file(path, b"x").unwrap();
        }
        let there = |files: &[PathBuf]| files.iter().filter(|path| path.exists()).count();
        paths.clear_machine().unwrap();
        assert_eq!((there(&machine), there(&keys)), (0, 4));
        paths.clear_run().unwrap();
        assert_eq!(there(&keys), 0);
    }

    #[test]
    fn clearing_a_run_keeps_logs_and_does_not_mind_missing_files() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Home::at(folder.path().to_owned()).instance(&"a".parse().unwrap());
        paths.create_folder().unwrap();
        replace_file(&paths.record(), b"{}").unwrap();
        replace_file(&paths.serial_log(), b"boot").unwrap();
        paths.clear_run().unwrap();
        paths.clear_run().unwrap();
        assert!(!paths.record().exists());
        assert!(paths.serial_log().exists());
    }
}
