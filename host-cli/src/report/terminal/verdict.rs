//! Verdicts in words: what held, what did not and what was expected, what failed as it should with
//! the mechanism taken away. The control of a negative claim is told with the claim it belongs to.

use netlab_protocol::{Failure, Place, Verdict, Witness};

use super::page::{MARGIN, Page};

/// Columns of the words before what was expected and what came.
const ROW: usize = 10;

/// A verdict as lines; `controls` are the controls that held beside it.
pub(super) fn lines(page: &Page, verdict: &Verdict, controls: &[Verdict]) -> Vec<String> {
    let claim = &verdict.claim;
    if verdict.passed {
        let text = match verdict.witness {
            Witness::Claim | Witness::Control => claim.clone(),
            Witness::Without => format!("fails now, as it should: {claim}"),
            Witness::Restored => format!("put back: {claim}"),
        };
        let remark = remark(page, &verdict.actual, controls);
        let sign = page.symbols.good;
        return page.signed(sign, &page.palette.good(sign), &(text + &remark));
    }
    let text = match verdict.witness {
        Witness::Claim => claim.clone(),
        Witness::Control => format!("control: {claim}"),
        Witness::Without => format!("should fail now and does not: {claim}"),
        Witness::Restored => format!("put back, and yet: {claim}"),
    };
    let mut lines = bad(page, &text);
    lines.extend(row(page, "expected", &verdict.expected));
    lines.extend(row(page, "actual", &verdict.actual));
    if !verdict.look.is_empty() {
        lines.extend(row(
            page,
            "look",
            &format!("`{}` in `{}`", verdict.look, page.shell(&Place::Root)),
        ));
    }
    lines
}

/// What went wrong with a command, or with the step as a whole.
pub(super) fn failure(page: &Page, failure: &Failure) -> Vec<String> {
    let mut lines = bad(page, &summary(failure));
    let (line, place) = match failure {
        Failure::Command { line, place, exit, expected, .. } => {
            lines.extend(row(page, "expected", expected));
            lines.extend(row(page, "actual", &exit.to_string()));
            (line, place)
        }
        Failure::Background { line, place, text, .. } => {
            lines.extend(row(page, "command", &format!("`{text}`")));
            (line, place)
        }
        Failure::Missing { .. }
        | Failure::Exists { .. }
        | Failure::Busy
        | Failure::Protocol { .. }
        | Failure::System { .. } => return lines,
    };
    lines.extend(row(page, "where", &format!("line {line} of the lab, in {place}")));
    lines.extend(row(page, "look", &format!("`{}`", page.shell(place))));
    lines
}

/// What in the guest may be why the step failed, below what failed.
pub(super) fn causes(page: &Page, causes: &[String]) -> Vec<String> {
    causes.iter().flat_map(|cause| row(page, "likely", cause)).collect()
}

/// One line that says what failed, for the list at the end.
pub(super) fn summary(failure: &Failure) -> String {
    match failure {
        Failure::Command { text, place, exit, .. } => {
            format!("`{text}` in {place} {}", exit.deed())
        }
        Failure::Background { name, place, problem, .. } => {
            format!("background \"{name}\" in {place} {problem}")
        }
        other => other.to_string(),
    }
}

/// What a claim's proof saw, and its controls, in parentheses.
fn remark(page: &Page, actual: &str, controls: &[Verdict]) -> String {
    let good = page.symbols.good;
    let control = |control: &Verdict| format!("control: {} {good}", control.claim);
    let actual = Some(actual.to_owned()).filter(|actual| !actual.is_empty());
    let parts: Vec<String> = actual.into_iter().chain(controls.iter().map(control)).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

fn bad(page: &Page, text: &str) -> Vec<String> {
    let sign = page.symbols.bad;
    page.signed(sign, &page.palette.bad(sign), text)
}

fn row(page: &Page, word: &str, text: &str) -> Vec<String> {
    let lead = format!("{:MARGIN$}  {word:<ROW$}", "");
    page.hanging(&lead, lead.len(), text, str::to_owned)
}

#[cfg(test)]
mod tests {
    use netlab_protocol::Exit;

    use super::*;
    use crate::instance::Name;
    use crate::report::sample;
    use crate::report::terminal::Terminal;

    fn page() -> Page {
        let (input, output, redraw, colour, unicode) = (false, false, false, false, true);
        let terminal = Terminal { input, output, redraw, columns: 80, colour, unicode };
        Page::new(&terminal, &["red".to_owned()], Name::DEFAULT)
    }

    fn verdict(witness: Witness, passed: bool, actual: &str) -> Verdict {
        let look = if passed { String::new() } else { "ip route".to_owned() };
        Verdict { passed, look, ..sample::verdict(witness, "red", "red reaches blue", actual) }
    }

    #[test]
    fn every_situation_has_its_words() {
        let rows = ["          expected  as claimed", "          actual    silence"];
        let look = "          look      `ip route` in `netlab shell`";
        let cases = [
            (Witness::Claim, "red reaches blue", "red reaches blue"),
            (Witness::Control, "red reaches blue", "control: red reaches blue"),
            (
                Witness::Without,
                "fails now, as it should: red reaches blue",
                "should fail now and does not: red reaches blue",
            ),
            (
                Witness::Restored,
                "put back: red reaches blue",
                "put back, and yet: red reaches blue",
            ),
        ];
        for (witness, good, bad) in cases {
            let lines_of = |passed, actual| lines(&page(), &verdict(witness, passed, actual), &[]);
            assert_eq!(lines_of(true, ""), [format!("      ✓ {good}")]);
            assert_eq!(lines_of(true, "2 ms"), [format!("      ✓ {good} (2 ms)")]);
            let failed = [&format!("      ✗ {bad}"), rows[0], rows[1], look];
            assert_eq!(lines_of(false, "silence"), failed);
        }
    }

    #[test]
    fn the_controls_of_a_claim_stand_behind_what_came() {
        let control = verdict(Witness::Control, true, "");
        let claim = verdict(Witness::Claim, true, "");
        assert_eq!(
            lines(&page(), &claim, &[control]),
            ["      ✓ red reaches blue (control: red reaches blue ✓)"]
        );
    }

    #[test]
    fn a_failure_says_what_where_and_how() {
        let (line, place, text) = (48, sample::place("red"), "dhclient eth0-r".to_owned());
        let expected = "exit status 0".to_owned();
        let command = |exit| Failure::Command {
            line,
            place: place.clone(),
            text: text.clone(),
            exit,
            expected: expected.clone(),
        };
        let tail = |lines: Vec<String>| lines.join("\n");
        let cases = [
            (Exit::Code(2), "ended with exit status 2", "exit status 2"),
            (Exit::Signal(9), "was killed by signal 9", "killed by signal 9"),
            (Exit::TimedOut, "did not end within its time limit", "killed at its time limit"),
        ];
        for (exit, did, actual) in cases {
            assert_eq!(
                tail(failure(&page(), &command(exit))),
                format!(
                    "      ✗ `dhclient eth0-r` in red {did}\n          \
                     expected  exit status 0\n          \
                     actual    {actual}\n          \
                     where     line 48 of the lab, in red\n          \
                     look      `netlab shell red`"
                )
            );
        }
        let (name, problem) = ("server".to_owned(), "was not ready within 5 s".to_owned());
        let background = Failure::Background { line, place: Place::Root, name, text, problem };
        assert_eq!(
            tail(failure(&page(), &background)),
            "      ✗ background \"server\" in root was not ready within 5 s\n          \
             command   `dhclient eth0-r`\n          \
             where     line 48 of the lab, in root\n          \
             look      `netlab shell`"
        );
        let missing = Failure::Missing { what: "command `nft`".to_owned() };
        assert_eq!(failure(&page(), &missing), ["      ✗ the guest has no command `nft`"]);
    }
}
