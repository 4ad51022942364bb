//! The picture of a guest's network: namespaces as boxes, the switch between them, the wires. Pure:
//! a topology goes in, lines come out. Around one switch it is drawn as a star; whatever does not
//! fit that, or the page, is drawn as boxes that name their other ends.

mod bounds;
mod boxes;
mod canvas;
mod contents;
mod star;

use netlab_protocol::Topology;

pub use canvas::{Line, Span};

use canvas::Canvas;
use contents::Shape;

/// Draws a topology in at most `columns` columns, with box-drawing characters if `unicode`.
/// What the guest says in it is harmless in the picture: a cell takes nothing but a visible
/// character, and of too much there is a line in its place.
pub fn draw(topology: &Topology, columns: usize, unicode: bool) -> Vec<Line> {
    let topology = &match bounds::within(topology) {
        Ok(topology) => topology,
        Err(too_much) => return vec![vec![Span { text: too_much, place: None }]],
    };
    let mut canvas = Canvas::new(unicode);
    let star = [Shape::Wide, Shape::Narrow]
        .into_iter()
        .find_map(|shape| star::Star::plan(topology, columns, shape));
    match star {
        Some(star) => {
            star.draw(&mut canvas);
            boxes::namespaces(&mut canvas, topology, star.left_over(), columns);
        }
        None => boxes::everything(&mut canvas, topology, columns, unicode),
    }
    canvas.into_lines()
}

#[cfg(test)]
pub(super) mod tests;
