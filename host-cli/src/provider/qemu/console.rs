//! What the guest's console and QEMU itself have said, made fit for an error message. The rule: a
//! guest's bytes never reach the user's terminal raw, for they could steer it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of a log that an error shows: a kernel's panic with its reason, without all of its trace.
const SHOWN_LINES: usize = 12;

/// Bytes of a log's end that are looked at, so that a guest which floods its console costs nothing.
const LOOKED_AT_BYTES: u64 = 256 << 10;

/// Longest line that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 160;

/// What the kernel writes before its reason (`kernel/panic.c`).
const PANIC: &str = "Kernel panic - not syncing: ";

/// The last lines of the guest's console, as an error shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    lines: Vec<String>,
}

impl Console {
    /// Reads the end of a serial log; one that isn't there is empty.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::read_from(path, 0)
    }

    /// Reads the end of a serial log, without what it had in its first `from` bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_from(path: &Path, from: u64) -> io::Result<Self> {
        Ok(Self::from_bytes(&end_of(path, from)?))
    }

    /// Takes the bytes of a serial log.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(cleaned).filter(|line| !line.is_empty()).collect();
        Self { lines }
    }

    /// Whether the guest has written nothing at all.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a line contains `text`.
    pub fn contains(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    /// The last line.
    pub fn last(&self) -> Option<&str> {
        self.lines.last().map(String::as_str)
    }

    /// The line in which the kernel says why it panicked, without its time stamp.
    pub fn panic(&self) -> Option<&str> {
        let line = &self.lines[self.panic_place()?];
        line.split_once(PANIC).map(|(_, reason)| reason)
    }

    /// The last line in which the kernel says what it has killed for want of memory, without its time
    /// stamp (`mm/oom_kill.c`).
    pub fn killed(&self) -> Option<&str> {
        let line = self.lines.iter().rfind(|line| line.contains(": Killed process "))?;
        Some(line.split_once("] ").map_or(line.as_str(), |(_, words)| words))
    }

    fn panic_place(&self) -> Option<usize> {
        self.lines.iter().position(|line| line.contains(PANIC))
    }

    /// The lines worth showing: those before and at a panic, whose trace says little, or the last.
    fn shown(&self) -> &[String] {
        let end = self.panic_place().map_or(self.lines.len(), |place| place + 1);
        &self.lines[end.saturating_sub(SHOWN_LINES)..end]
    }

    /// The likely cause of a guest that doesn't get on, from what its kernel complains about.
    pub fn likely_cause(&self) -> Option<&'static str> {
        const CAUSES: [(&str, &str); 7] = [
            ("SQUASHFS error", "the image's root file system is damaged"),
            ("I/O error, dev vda", "the image's root file system can't be read"),
            ("junk within compressed archive", "the image's initramfs is damaged"),
            ("Initramfs unpacking failed", "the image's initramfs is damaged"),
            ("Out of memory", "the guest has too little memory"),
            ("soft lockup", "the host gives the guest too little processor time"),
            ("rcu_preempt detected stalls", "the host gives the guest too little processor time"),
        ];
        CAUSES.iter().find(|(text, _)| self.contains(text)).map(|(_, cause)| *cause)
    }
}

impl fmt::Display for Console {
    /// Writes the end of the console behind a message, each line on one of its own.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("\nthe guest's console is empty");
        }
        formatter.write_str("\nthe last lines of the guest's console:")?;
        for line in self.shown() {
            write!(formatter, "\n  {line}")?;
        }
        Ok(())
    }
}

/// Returns the line in which QEMU says why it ended: its last one that is no warning.
pub fn last_words(qemu_log: &Path) -> io::Result<Option<String>> {
    Ok(complaint(&String::from_utf8_lossy(&end_of(qemu_log, 0)?)))
}

pub(super) fn complaint(log: &str) -> Option<String> {
    let lines = log.lines().map(cleaned).filter(|line| !line.is_empty());
    let mut complaints = lines.filter(|line| !line.contains(": warning: "));
    let line = complaints.next_back()?;
    // `qemu-system-x86_64: -netdev …: why`: the program's name says nothing new.
    Some(match line.split_once(": ") {
        Some((program, rest)) if program.contains("qemu-system") => rest.to_owned(),
        _ => line,
    })
}

fn end_of(path: &Path, from: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOOKED_AT_BYTES))))?;
    let mut bytes = Vec::new();
    file.take(LOOKED_AT_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A line without escape sequences, control characters and trailing blanks, cut to a bearable
/// length.
fn cleaned(line: &str) -> String {
    let mut text = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            skip_escape(&mut letters);
        } else if !letter.is_control() || letter == '\t' {
            text.push(letter);
        }
    }
    let end = text.trim_end();
    match end.char_indices().nth(SHOWN_CHARACTERS) {
        Some((cut, _)) => format!("{}…", &end[..cut]),
        None => end.to_owned(),
    }
}

/// Skips what follows an ESC: for a control sequence (ECMA-48) up to its final byte, for a string
/// such as a window's title up to its terminator, else one character.
fn skip_escape(letters: &mut std::str::Chars<'_>) {
    match letters.next() {
        Some('[') => {
            letters.find(|letter| ('@'..='~').contains(letter));
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            letters.find(|letter| matches!(letter, '\u{7}' | '\\'));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_bytes_can_not_steer_the_terminal() {
        for (raw, clean) in [
            ("plain", "plain"),
            ("\u{1b}[2J\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]0;title\u{1b}\\text", "text"),
            ("\u{1b}ctext\r", "text"),
            ("a\u{8}\u{0}b \t", "ab"),
            ("\u{1b}[", ""),
        ] {
            assert_eq!(cleaned(raw), clean, "{raw:?}");
        }
        assert_eq!(cleaned(&"x".repeat(200)).chars().count(), SHOWN_CHARACTERS + 1);
    }

    #[test]
    fn a_panic_is_found_with_its_reason() {
        let log = b"[    2.25] VFS: Unable to mount root fs\r\n\
            [    2.25] Kernel panic - not syncing: VFS: Unable to mount root fs on \"\"\r\n\
            [    2.26]  </TASK>\r\n";
        let console = Console::from_bytes(log);
        assert_eq!(console.panic(), Some("VFS: Unable to mount root fs on \"\""));
        assert!(console.to_string().ends_with("root fs on \"\""), "the trace is left out");
        assert_eq!(Console::from_bytes(b"quiet\n").panic(), None);
        let log =
            b"[    9.11] Out of memory: Killed process 7 (tail) total-vm:9kB\r\nnetlab-init: x\r\n";
        let console = Console::from_bytes(log);
        assert_eq!(console.killed(), Some("Out of memory: Killed process 7 (tail) total-vm:9kB"));
    }

    #[test]
    fn only_the_end_of_a_console_is_shown() {
        let log: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        let shown = Console::from_bytes(log.as_bytes()).to_string();
        assert!(
            shown.starts_with("\nthe last lines of the guest's console:\n  line 29\n"),
            "{shown}"
        );
        assert!(shown.ends_with("\n  line 40"), "{shown}");
        assert_eq!(Console::default().to_string(), "\nthe guest's console is empty");
    }

    #[test]
    fn qemus_last_words_are_its_last_complaint() {
        let aborted = "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69
qemu-system-x86_64: ../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.
";
        assert_eq!(
            complaint(aborted).unwrap(),
            "../../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion \
             `ret == cpu->kvm_msr_buf->nmsrs' failed."
        );
        let warned = "qemu-system-x86_64: warning: host doesn't support requested feature\n";
        assert_eq!(complaint(warned), None);
        assert_eq!(complaint(""), None);
    }
}
