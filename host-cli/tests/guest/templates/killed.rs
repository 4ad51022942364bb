//! Netlab killed while it makes the template for which others wait.

use super::{Own, Up};
use crate::running::read_until;
use crate::support::{Netlab, Outcome};

pub fn waited_for(suite: &Netlab) {
    let own = Own::new(suite);
    let mut maker = own.start(["up", "--json"]);
    read_until(maker.stdout.as_mut().expect("a pipe"), r#""phase":"kernel","state":"started""#);
    let waiting = ["a", "b"].map(|name| {
        let mut up = own.start(["--name", name, "up", "--json"]);
        let seen = read_until(up.stdout.as_mut().expect("a pipe"), "another netlab is making");
        (up, seen)
    });
    maker.kill().expect("kill -9");
    maker.wait().expect("it ends");
    let mut made = 0;
    for (up, seen) in waiting {
        let mut output = up.wait_with_output().expect("it ends");
        output.stdout = [seen.as_bytes(), &output.stdout].concat();
        let up = Up::of(&Outcome::of("up --json".to_owned(), output).exit(0)).by("clone");
        made += usize::from(up.told("making a template of this guest"));
    }
    assert_eq!((made, own.templates().len()), (1, 1));
    assert!(own.unfinished().is_empty(), "{:?}", own.unfinished());
}
