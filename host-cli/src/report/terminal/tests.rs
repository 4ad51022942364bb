//! Whole runs as golden text, kept in `report/golden`: what a learner sees.

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::report::sample::{self, Written};

/// As a pipe is: no colour, nothing redrawn.
fn piped(columns: usize, unicode: bool) -> Terminal {
    let (input, output, redraw, colour) = (false, false, false, false);
    Terminal { input, output, redraw, columns, colour, unicode }
}

/// Renders events and returns standard output and standard error.
fn rendered(terminal: Terminal, events: &[Event]) -> [String; 2] {
    let (stdout, stderr) = (Written::default(), Written::default());
    let mut renderer =
        TerminalRenderer::new(terminal, Box::new(stdout.clone()), Box::new(stderr.clone()));
    for event in events {
        renderer.event(event).unwrap();
    }
    [stdout.text(), stderr.text()]
}

#[track_caller]
fn assert_golden(terminal: Terminal, events: &[Event], golden: &str) {
    let [text, _] = rendered(terminal, events);
    for line in text.lines() {
        // A word of a command stays whole, however narrow the page.
        let one_word = !line.trim().trim_end_matches(" \\").contains(' ');
        assert!(line.width() <= terminal.columns || one_word, "too wide: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end of a line");
    }
    assert_eq!(text, golden, "\n{text}");
}

#[test]
fn a_lab_that_passes_at_80_columns() {
    assert_golden(piped(80, true), &sample::passing(), include_str!("../golden/passing-80.txt"));
}

#[test]
fn a_lab_that_passes_at_40_columns() {
    assert_golden(piped(40, true), &sample::passing(), include_str!("../golden/passing-40.txt"));
}

#[test]
fn a_lab_that_passes_in_ascii() {
    let golden = include_str!("../golden/passing-ascii.txt");
    assert_golden(piped(80, false), &sample::passing(), golden);
}

#[test]
fn a_claim_that_does_not_hold() {
    assert_golden(piped(80, true), &sample::failing(), include_str!("../golden/failing-80.txt"));
}

#[test]
fn a_quiet_step_that_fails_shows_the_command_and_why() {
    let golden = include_str!("../golden/failing-setup-80.txt");
    assert_golden(piped(80, true), &sample::failing_setup(), golden);
}

#[test]
fn a_start_goes_to_standard_error() {
    let [stdout, stderr] = rendered(piped(80, true), &sample::start());
    assert_eq!(stdout, "");
    assert_eq!(
        stderr,
        "starting the guest\n\
         image      0.02 s\n\
         KVM does not work here (the guest hung): the guest is emulated, which is slower\n\
         kernel     1.42 s\n\
         ssh        2.01 s\n\
         agent      2.30 s\n\
         guest up in 2.3 s (tcg, clone) · 127.0.0.1:40123\n"
    );
}

#[test]
fn colour_adds_nothing_but_colour() {
    let coloured = Terminal { colour: true, ..piped(80, true) };
    for events in [sample::passing(), sample::failing(), sample::failing_setup()] {
        let [colourful, _] = rendered(coloured, &events);
        let [plain, _] = rendered(piped(80, true), &events);
        assert!(colourful.contains("\u{1b}[31m    red #\u{1b}[0m"), "red's prompt is red");
        let stripped: Vec<String> =
            colourful.lines().map(|line| harmless(line.as_bytes())).collect();
        assert_eq!(stripped, plain.lines().collect::<Vec<_>>());
    }
}

#[test]
fn a_note_in_the_middle_of_a_quiet_step_gets_a_line_of_its_own() {
    let mut events = sample::passing();
    events.insert(2, Event::Note { text: "hello\u{1b}[2J".to_owned() });
    let [stdout, stderr] = rendered(piped(80, true), &events[..6]);
    assert_eq!(stderr, "hello\n");
    assert!(stdout.ends_with("each t …\n"), "{stdout}");
}

#[test]
fn commands_to_type_name_the_guest_unless_it_is_the_usual_one() {
    let mut events = sample::start();
    let Some(Event::GuestReady { name, attached, .. }) = events.last_mut() else { unreachable!() };
    (*name, *attached) = ("second".to_owned(), true);
    events.extend(sample::failing());
    let [stdout, stderr] = rendered(piped(80, true), &events);
    assert!(
        stderr.ends_with("guest was up, reached in 2.3 s (tcg, clone) · 127.0.0.1:40123\n"),
        "{stderr}"
    );
    for words in [
        "look      `ovs-vsctl --columns=name,tag list port` in\n",
        "   `netlab --name second shell`\n",
        "the guest is left as it is: look around with\n",
        "`netlab --name second shell red`, clear it away with\n",
        "`netlab --name second reset`\n",
    ] {
        assert!(stdout.contains(words), "{words}\n{stdout}");
    }
}

#[test]
fn a_lab_that_is_left_early_or_left_standing_says_so() {
    let mut events = sample::passing();
    let Some(Event::LabEnded { summary, topology }) = events.last_mut() else { unreachable!() };
    (summary.quit_early, summary.kept, *topology) = (true, true, None);
    summary.steps.truncate(2);
    let [stdout, _] = rendered(piped(80, true), &events);
    assert!(
        stdout.ends_with(
            "      ✓ demo tenants: ended after step 1 of 2, 7 checks, all passed in 5.0 s\n        \
             the lab is left standing: look around with `netlab shell`, clear it away\n        \
             with `netlab reset`\n"
        ),
        "{stdout}"
    );
}

#[test]
fn a_group_is_one_line_of_progress_and_a_table() {
    let [stdout, stderr] = rendered(piped(80, true), &sample::group());
    assert_eq!(stderr, "0 of 3 up, 1 starting · 0.0 s\n2 of 3 up, 1 failed in 8.3 s\n");
    assert_eq!(
        stdout,
        "NAME     STATE   SSH              START  TOOK\n\
         seat-01  up      127.0.0.1:40123  clone  0.8 s\n\
         seat-02  failed  -                -      6.5 s\n\
         seat-03  was up  127.0.0.1:40123  clone  0.1 s\n"
    );
}
