//! Many guests at once, each by a netlab of its own, with nothing saved that they could go on from.

use std::collections::HashSet;
use std::time::Instant;

use crate::tally::line;
use crate::world::World;
use crate::{Outcome, call, fault, interrupt, left, process};

/// Starts them, looks whether any two share anything, and ends them; says whether all was good.
pub fn run(world: &World, count: usize) -> Outcome<bool> {
    // What rightly stays on the disk.
    world.good("default", &["up"])?;
    world.good("default", &["down", "--all", "--purge"])?;
    let rightful = left::files(world);
    left::remove_templates(world)?;

    let names: Vec<_> = (1..=count).map(|number| format!("seat-{number:02}")).collect();
    let begun = Instant::now();
    let ups = std::thread::scope(|scope| {
        let mut ups = Vec::new();
        for name in &names {
            ups.push(scope.spawn(move || {
                let ended = call::run(world, world.command(name, &["up"]), name, None);
                ended.map_err(|error| error.to_string())
            }));
        }
        ups.into_iter()
            .map(|up| up.join().map_err(|_| "a netlab was not watched"))
            .collect::<Vec<_>>()
    });
    let mut came = 0;
    for up in ups {
        match up? {
            Ok(up) if up.code == Some(0) => came += 1,
            Ok(up) => line(&format!("FAILURE `{} up`: {:?}\n{}", up.words, up.code, up.errors)),
            Err(error) => line(&format!("FAILURE {error}")),
        }
    }
    line(&format!("{came} of {count} came up, in {:.1} s", begun.elapsed().as_secs_f64()));
    interrupt::check()?;
    let ports: HashSet<_> = names.iter().filter_map(|name| fault::port(world, name)).collect();
    let templates = std::fs::read_dir(world.cache().join("templates"))?;
    let is_made = |name: &str| !name.starts_with('.') && name != "w";
    let templates: Vec<_> = templates
        .flatten()
        .filter(|it| it.path().is_dir() && is_made(&it.file_name().to_string_lossy()))
        .collect();
    let qemus = process::naming(&world.home().join("i"));
    line(&format!(
        "{} ports, {} processes, {} template",
        ports.len(),
        qemus.len(),
        templates.len()
    ));
    let begun = Instant::now();
    let said = world.good("seat", &["exec", "--", "hostname"])?;
    let hosts: HashSet<_> = said.lines().filter(|line| !line.starts_with("==")).collect();
    let took = begun.elapsed().as_secs_f64();
    line(&format!("{} hostnames by `exec -- hostname`, in {took:.1} s", hosts.len()));
    let begun = Instant::now();
    world.good("default", &["down", "--all", "--purge"])?;
    line(&format!("all ended in {:.1} s", begun.elapsed().as_secs_f64()));
    let after = left::after(world, &rightful, &ports);
    for it in after.processes.iter().chain(&after.files) {
        line(&format!("LEFT {it}"));
    }
    line(&format!(
        "left: {} processes, {} ports, {} files",
        after.processes.len(),
        after.ports.len(),
        after.files.len()
    ));
    let all = [came, ports.len(), qemus.len(), hosts.len()];
    let is_clean = after.processes.len() + after.ports.len() + after.files.len() == 0;
    Ok(all == [count; 4] && templates.len() == 1 && is_clean)
}
