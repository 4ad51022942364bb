//! One step: its actions in order, then its counterfactuals; the first failure ends it.

use std::time::Duration;

use netlab_protocol::plan::{Background as Planned, Command, ExitRule, pid_value};
use netlab_protocol::{Action, Event, Exit, Failure, Witness};
use tokio::time::Instant;

use crate::background::Background;
use crate::causes::Watch;
use crate::counterfactual;
use crate::error::Error;
use crate::exec;
use crate::lab::Lab;
use crate::output::Tap;
use crate::verdict::{self, milliseconds};
use crate::wire::Outbox;

/// Longest value that is kept, in bytes: a value is a word or a line, not a file.
const VALUE_BYTES: usize = 4 << 10;

/// The step is over before its time; the host has been told why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Runs one step and says whether it passed.
pub async fn run(lab: &mut Lab, index: u32, outbox: &Outbox) -> bool {
    let begun = Instant::now();
    outbox.send(Event::StepStarted { step: index }).await;
    let watch = Watch::begin();
    let passed = match run_recorded(lab, index, outbox).await {
        Ok(passed) => passed,
        Err(error) => {
            outbox.send(Event::Failed(error.into())).await;
            false
        }
    };
    if !passed {
        let causes = watch.causes(lab);
        if !causes.is_empty() {
            outbox.send(Event::LikelyCauses { causes }).await;
        }
    }
    let millis = milliseconds(begun.elapsed());
    outbox.send(Event::StepEnded { step: index, passed, millis }).await;
    passed
}

/// Runs it, and keeps the ledger of what it makes.
async fn run_recorded(lab: &mut Lab, index: u32, outbox: &Outbox) -> Result<bool, Error> {
    lab.begin_step().await?;
    let passed = run_all(lab, index, outbox).await.is_ok();
    lab.end_step().await?;
    Ok(passed)
}

async fn run_all(lab: &mut Lab, index: u32, outbox: &Outbox) -> Result<(), Stopped> {
    let plan = lab.plan.clone();
    // An index that the plan does not have was refused before; then nothing is there to run.
    let Some(step) = usize::try_from(index).ok().and_then(|index| plan.steps.get(index)) else {
        return Err(Stopped);
    };
    for action in &step.actions {
        act(lab, action, outbox).await?;
    }
    for counterfactual in &step.counterfactuals {
        counterfactual::run(lab, counterfactual, outbox).await?;
    }
    Ok(())
}

/// Carries out one action.
///
/// # Errors
/// [`Stopped`] if it fails, after telling the host.
pub async fn act(lab: &mut Lab, action: &Action, outbox: &Outbox) -> Result<(), Stopped> {
    let done = match action {
        Action::Run(command) => run_command(lab, command, outbox).await,
        Action::Start(background) => start_background(lab, background, outbox).await,
        Action::Check(check) => {
            let held = verdict::judge(lab, check, Witness::Claim, outbox).await;
            return if held { Ok(()) } else { Err(Stopped) };
        }
    };
    if let Err(failure) = done {
        outbox.send(Event::Failed(failure)).await;
        return Err(Stopped);
    }
    Ok(())
}

async fn run_command(lab: &mut Lab, command: &Command, outbox: &Outbox) -> Result<(), Failure> {
    outbox
        .send(Event::CommandStarted {
            line: command.line,
            place: command.place.clone(),
            text: command.text.clone(),
            background: None,
        })
        .await;
    let mut tap = Tap::forwarding(outbox, &command.place, None);
    let cgroup = lab.next_cgroup("command")?;
    let running = exec::start(&command.place, &command.text, &lab.values, cgroup)?;
    let ended = running.finish(Duration::from_millis(command.within_ms), &mut tap).await?;
    let failed = |expected: String| Failure::Command {
        line: command.line,
        place: command.place.clone(),
        text: command.text.clone(),
        exit: ended.exit,
        expected,
    };
    if !is_right(command.exit, ended.exit) {
        return Err(failed(rule_words(command.exit)));
    }
    let kept = match &command.keep {
        Some(name) => Some((
            name,
            value(tap.stdout()).map_err(|expected| failed(format!("{expected} for `${name}`")))?,
        )),
        None => None,
    };
    outbox.send(Event::CommandEnded { exit: ended.exit, millis: milliseconds(ended.took) }).await;
    if let Some((name, value)) = kept {
        keep(lab, name, value, outbox).await;
    }
    Ok(())
}

async fn start_background(
    lab: &mut Lab,
    planned: &Planned,
    outbox: &Outbox,
) -> Result<(), Failure> {
    let begun = Instant::now();
    outbox
        .send(Event::CommandStarted {
            line: planned.line,
            place: planned.place.clone(),
            text: planned.text.clone(),
            background: Some(planned.name.clone()),
        })
        .await;
    if let Some(earlier) = lab.backgrounds.remove(&planned.name) {
        earlier.stop().await?;
    }
    let cgroup = lab.next_cgroup("background")?;
    let background = Background::start(planned, &lab.values, cgroup, outbox).await?;
    let (name, pid) = (planned.name.clone(), background.pid);
    lab.backgrounds.insert(name.clone(), background);
    let value = pid_value(&name);
    let millis = milliseconds(begun.elapsed());
    outbox.send(Event::BackgroundReady { name, pid, millis }).await;
    keep(lab, &value, pid.to_string(), outbox).await;
    Ok(())
}

async fn keep(lab: &mut Lab, name: &str, value: String, outbox: &Outbox) {
    lab.values.keep(name, &value);
    outbox.send(Event::Kept { name: name.to_owned(), value }).await;
}

fn is_right(rule: ExitRule, exit: Exit) -> bool {
    match (rule, exit) {
        (ExitRule::Code(wanted), Exit::Code(code)) => wanted == code,
        (ExitRule::Any, Exit::Code(_)) => true,
        (_, Exit::Signal(_) | Exit::TimedOut) => false,
    }
}

fn rule_words(rule: ExitRule) -> String {
    match rule {
        ExitRule::Code(code) => Exit::Code(code).to_string(),
        ExitRule::Any => "an exit status".to_owned(),
    }
}

/// Reads what a command printed as a value.
///
/// # Errors
/// What was expected instead, in words.
fn value(stdout: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(stdout).map_err(|_| "UTF-8 output".to_owned())?.trim();
    match text.len() {
        0 => Err("some output".to_owned()),
        length if length > VALUE_BYTES => Err(format!("at most {VALUE_BYTES} bytes of output")),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_status_is_right_under_any_but_no_death() {
        for (rule, exit, right) in [
            (ExitRule::Code(0), Exit::Code(0), true),
            (ExitRule::Code(0), Exit::Code(1), false),
            (ExitRule::Code(9), Exit::Signal(9), false),
            (ExitRule::Any, Exit::Code(3), true),
            (ExitRule::Any, Exit::Signal(15), false),
            (ExitRule::Any, Exit::TimedOut, false),
        ] {
            assert_eq!(is_right(rule, exit), right, "{rule:?} {exit:?}");
        }
    }

    #[test]
    fn a_value_is_trimmed_and_has_bounds() {
        assert_eq!(value(b" 10.0.0.1\n"), Ok("10.0.0.1".to_owned()));
        assert_eq!(value(b" \n"), Err("some output".to_owned()));
        assert_eq!(value(&[0xff]), Err("UTF-8 output".to_owned()));
        assert_eq!(value(&[b'x'; 4097]), Err("at most 4096 bytes of output".to_owned()));
    }
}
