//! The plain way to draw a topology: one box beside the other, each naming its other ends in words.
//! It has room for anything.

use netlab_protocol::{Namespace, Place, Topology};

use super::canvas::{Area, Canvas};
use super::contents::{self, Shape};

/// Columns between two boxes.
const GAP: usize = 2;

/// A frame takes a line and a blank on each side.
const FRAME: usize = 4;

/// A box before it has a place on the page.
struct Block {
    title: String,
    lines: Vec<String>,
    place: Option<Place>,
}

/// Draws all namespaces and switches beneath what is there.
pub(super) fn everything(canvas: &mut Canvas, topology: &Topology, columns: usize, unicode: bool) {
    let pair = if unicode { "⇄" } else { "<->" };
    let namespace = |namespace| block(topology, namespace, pair);
    let mut blocks: Vec<Block> = topology.namespaces.iter().map(namespace).collect();
    blocks.extend(topology.switches.iter().map(|switch| Block {
        title: format!("switch {}", switch.name),
        lines: contents::ports(switch),
        place: None,
    }));
    flow(canvas, &blocks, columns);
}

/// Draws some namespaces, which are wired to nothing, beneath what is there.
pub(super) fn namespaces(
    canvas: &mut Canvas,
    topology: &Topology,
    namespaces: &[&Namespace],
    columns: usize,
) {
    let blocks: Vec<Block> =
        namespaces.iter().map(|namespace| block(topology, namespace, "")).collect();
    flow(canvas, &blocks, columns);
}

fn block(topology: &Topology, namespace: &Namespace, pair: &str) -> Block {
    let mut lines = Vec::new();
    let interfaces = contents::interfaces(topology, namespace);
    for interface in &interfaces {
        lines.extend(contents::lines(&[interface], &[], Shape::Wide));
        if let Some(peer) = &interface.peer {
            lines.push(format!("  {pair} {} in {}", peer.name, peer.place));
        }
    }
    lines.extend(contents::runs(&namespace.processes));
    let place = Some(namespace.place.clone());
    Block { title: namespace.place.name().to_owned(), lines, place }
}

/// Sets boxes in rows, as many beside each other as there is room for.
fn flow(canvas: &mut Canvas, blocks: &[Block], columns: usize) {
    let (mut x, mut y) = (0, canvas.height());
    let mut below = y;
    for block in blocks {
        let inner = block.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let title = block.title.chars().count() + 2;
        let width = (inner.max(title) + FRAME).min(columns);
        if x > 0 && x + width > columns {
            (x, y) = (0, below);
        }
        // An empty box still has an inside.
        let height = block.lines.len().max(1) + 2;
        canvas.frame(
            Area { x, y, width, height },
            &cut(&block.title, width - 6),
            block.place.as_ref(),
        );
        for (number, line) in block.lines.iter().enumerate() {
            canvas.text(x + 2, y + 1 + number, &cut(line, width - FRAME), None);
        }
        below = below.max(y + height);
        x += width + GAP;
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}
