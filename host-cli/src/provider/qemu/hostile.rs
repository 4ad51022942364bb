//! Files of state, QEMU's answers and the guest's console may be anything: each is read to what it is, or
//! refused in words.

use std::io::Cursor;

use tokio::io::{join, sink};
use tokio::runtime::{Builder, Runtime};

use super::accel;
use super::checkpoint::about::About;
use super::console::{Console, complaint};
use super::qmp::{Qmp, QmpError, port_of_ssh};
use super::template::{self, Templates};
use super::verdicts::Verdicts;
use crate::instance::{Holder, Home, InstanceError, Progress, Record, replace_file};
use crate::provider::ssh;

#[test]
fn whatever_a_file_of_state_has_in_it_is_read_or_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path().to_owned());
    let paths = home.instance(&"a".parse().unwrap());
    paths.create_folder().unwrap();
    let (key, record) = template::tests::record_of_one(&home);
    let verdicts = folder.path().join("verdicts.json");
    let files =
        [paths.record(), paths.lent_record(), paths.progress(), paths.lab_lock(), record, verdicts];
    let label = "one".parse().unwrap();
    bolero::check!(name = "state").for_each(|bytes: &[u8]| {
        for file in &files {
            replace_file(file, bytes).unwrap();
        }
        if let Some(record) = read(Record::read(&paths)) {
            record.write(&paths).unwrap();
            assert_eq!(Record::read(&paths).unwrap(), Some(record));
        }
        if let Some(record) = read(ssh::Record::read(&paths)) {
            record.write(&paths).unwrap();
            assert_eq!(ssh::Record::read(&paths).unwrap(), Some(record));
        }
        if let Some(progress) = Progress::read(&paths).unwrap() {
            progress.clone().write(&paths).unwrap();
            assert_eq!(Progress::read(&paths).unwrap(), Some(progress));
        }
        let _holder = Holder::read(&paths);
        let _template = Templates::of(&home).find(&key).unwrap();
        let _verdicts =
            Verdicts::<accel::Circumstances, accel::Verdict>::read(files.last().unwrap()).unwrap();
        match About::parse(&label, bytes) {
            Ok(about) => assert!(about.label == label && !about.name().contains(['/', '\\'])),
            Err(error) => assert!(error.to_string().starts_with("checkpoint `one` ")),
        }
    });
}

/// What was read; a refusal has to be one of what is in the file.
fn read<T>(outcome: Result<Option<T>, InstanceError>) -> Option<T> {
    match outcome {
        Ok(found) => found,
        Err(InstanceError::TooNew { .. } | InstanceError::Corrupt { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// A QEMU that says this and no more, whatever it is asked.
type Said = tokio::io::Join<Cursor<Vec<u8>>, tokio::io::Sink>;

/// Asks it everything that QEMU is asked.
async fn ask(said: Vec<u8>) -> Result<(), QmpError> {
    let mut client: Qmp<Said> = Qmp::handshake(join(Cursor::new(said), sink())).await?;
    loop {
        client.uuid().await?;
        client.status().await?;
        client.stop().await?;
        client.forwarded_port().await?;
        client.go_on().await?;
        client.migration().await?;
    }
}

#[test]
fn whatever_qemu_and_the_console_say_is_an_error_in_words_or_an_answer() {
    const GREETING: &[u8] = b"{\"QMP\": {}}\n{\"return\": {}}\n";
    let runtime: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    bolero::check!(name = "qemu").for_each(|bytes: &[u8]| {
        for before in [&b""[..], GREETING] {
            // It ends, so the questions do.
            let error = runtime.block_on(ask([before, bytes].concat())).unwrap_err();
            assert!(error.to_string().chars().count() < 400, "{error}");
        }
        let text = String::from_utf8_lossy(bytes);
        let _port = port_of_ssh(&text);
        let console = Console::from_bytes(bytes);
        let words = [Some(console.to_string()), complaint(&text)];
        let said = [console.panic(), console.killed(), console.last(), console.likely_cause()];
        for words in
            words.into_iter().flatten().chain(said.into_iter().flatten().map(str::to_owned))
        {
            let may_stand = |letter: char| !letter.is_control() || "\n\t".contains(letter);
            assert!(words.chars().all(may_stand) && words.lines().count() <= 14, "{words:?}");
        }
    });
}
