//! A start by clone, a demo without a guest, and a reset.

use std::time::Duration;

use crate::{Bench, Outcome, figure};

/// A clone may take so many times as long as the prototype's: it is checked and recorded as well.
const OF_PROTOTYPE: f64 = 1.4;
/// So many times faster than a stock Debian guest has a clone to be.
const FASTER_THAN_STOCK: f64 = 25.0;
/// The first output of a demo's first step, against the prototype's clone.
const DEMO_OF_PROTOTYPE: f64 = 1.6;
/// A reset, against a start by clone.
const RESET_OF_START: f64 = 1.3;
/// A stock guest takes half a minute: that many boots are enough.
const STOCK_RUNS: usize = 2;

/// Measures all of them in turn.
pub fn run(bench: &Bench) -> Outcome<()> {
    let netlab = &bench.netlab;
    let first = netlab.listen(netlab.command(&["up"]))?.good()?;
    figure::times("the first `up`, which makes the template", &[first.at("ready")?]);
    netlab.run(&["down"])?;

    let [mut up, mut whole, mut prototype, mut step, mut demo, mut reset, mut stock] =
        [const { Vec::<Duration>::new() }; 7];
    for round in 0..bench.runs {
        up.push(netlab.clone_start()?);
        reset.push(netlab.run(&["reset"])?.1);
        netlab.run(&["down"])?;
        prototype.extend(bench.opponents.prototype_clone()?);
        whole.push(netlab.run(&["up"])?.1);
        netlab.run(&["down"])?;
        let said = netlab.listen(netlab.command(&["demo", "1", "--auto"]))?.good()?;
        step.push(said.at("command")?);
        demo.push(said.at("output")?);
        netlab.run(&["down"])?;
        if round < STOCK_RUNS {
            stock.extend(bench.opponents.stock()?);
        }
    }
    figure::times("`up` by clone, to the agent's answer", &up);
    figure::times("`up` by clone, the whole command", &whole);
    figure::times("the prototype's clone, to `ssh true`", &prototype);
    figure::ratio("up / prototype", &up, &prototype, OF_PROTOTYPE);
    figure::times("a stock Debian guest, to `ssh true`", &stock);
    if let (Some(ours), Some(theirs)) = (figure::middle(&up), figure::middle(&stock)) {
        figure::at_least("stock / up", theirs / ours, FASTER_THAN_STOCK, "x");
    }
    figure::times("`demo 1` without a guest, to its first command's line", &step);
    figure::times("`demo 1` without a guest, to a command's first output", &demo);
    figure::ratio("output / prototype", &demo, &prototype, DEMO_OF_PROTOTYPE);
    figure::times("`reset`, the whole command", &reset);
    figure::ratio("reset / up", &reset, &whole, RESET_OF_START);
    Ok(())
}
