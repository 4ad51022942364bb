//! One switch in the middle, the namespaces around it, each in line with those that share its VLAN:
//! the drawing for labs whose namespaces have one wire each.

use netlab_protocol::{Interface, Namespace, Place, Switch, SwitchPort, Topology};

use super::canvas::{Area, Canvas};
use super::contents::{self, Shape};

/// Columns between the page's edge and a namespace's box: the frames of root and of the switch,
/// each with a blank.
const EDGE: usize = 4;

/// Columns between two boxes.
const GAP: usize = 4;

/// A frame takes a line and a blank on each side.
const FRAME: usize = 4;

/// Columns right of a wire that other things keep clear of: what stands close names the wire.
const CLEAR: usize = 3;

/// A namespace at the switch.
struct Leaf<'a> {
    place: &'a Place,
    port: &'a SwitchPort,
    /// What the wire is, in words.
    wire: &'static str,
    lines: Vec<String>,
}

/// Namespaces above and below each other.
struct Column<'a> {
    x: usize,
    width: usize,
    above: Leaf<'a>,
    below: Option<Leaf<'a>>,
}

impl Column<'_> {
    /// Where its wires run.
    fn middle(&self) -> usize {
        self.x + self.width / 2
    }
}

/// Columns whose ports share a VLAN, and its name.
struct Group<'a> {
    label: String,
    columns: Vec<Column<'a>>,
}

/// Items of text in a row, each with its column.
type Row = Vec<(usize, String)>;

/// A drawing that fits the page.
pub(super) struct Star<'a> {
    switch: &'a Switch,
    groups: Vec<Group<'a>>,
    width: usize,
    /// Ports that lead to no box.
    ports: Vec<Row>,
    /// What root has besides the switch and its ports.
    root: Vec<Row>,
    unwired: Vec<&'a Namespace>,
}

impl<'a> Star<'a> {
    /// Plans the drawing; `None` if the topology is no star, or too wide.
    pub(super) fn plan(topology: &'a Topology, columns: usize, shape: Shape) -> Option<Self> {
        let [switch] = topology.switches.as_slice() else {
            return None;
        };
        let mut leaves = Vec::new();
        let mut unwired = Vec::new();
        let mut root_items = Vec::new();
        for namespace in &topology.namespaces {
            let interfaces = contents::interfaces(topology, namespace);
            if namespace.place == Place::Root {
                let own = |interface: &&Interface| {
                    !switch.ports.iter().any(|port| port.name == interface.name)
                };
                let own: Vec<&Interface> = interfaces.into_iter().filter(own).collect();
                root_items = contents::lines(&own, &namespace.processes, Shape::Wide);
                continue;
            }
            let wires: Vec<_> = interfaces.iter().filter_map(|it| wire(switch, it)).collect();
            let pairs = interfaces.iter().filter(|interface| interface.peer.is_some()).count();
            match wires.as_slice() {
                [] if pairs == 0 => unwired.push(namespace),
                [(port, wire)] if pairs <= 1 => leaves.push(Leaf {
                    place: &namespace.place,
                    port,
                    wire,
                    lines: contents::lines(&interfaces, &namespace.processes, shape),
                }),
                // A second wire would have to go round the others.
                _ => return None,
            }
        }
        if leaves.is_empty() {
            return None;
        }
        let taken: Vec<&str> = leaves.iter().map(|leaf| leaf.port.name.as_str()).collect();
        let tagged = contents::has_tags(switch);
        let free = switch.ports.iter().filter(|port| !taken.contains(&port.name.as_str()));
        let free: Vec<String> =
            free.map(|port| format!("{} ({})", port.name, contents::tag(port, tagged))).collect();

        let (groups, width) = arrange(leaves, tagged);
        if width > columns {
            return None;
        }
        let middles = |below: bool| -> Vec<usize> {
            let columns = groups.iter().flat_map(|group| &group.columns);
            columns.filter(|it| !below || it.below.is_some()).map(Column::middle).collect()
        };
        let ports = place_items(&free, &middles(false), EDGE..width - EDGE);
        let root = place_items(&root_items, &middles(true), 2..width - 2);
        Some(Self { switch, groups, width, ports, root, unwired })
    }

    /// Namespaces that are wired to nothing.
    pub(super) fn left_over(&self) -> &[&'a Namespace] {
        &self.unwired
    }

    /// Draws it.
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let columns = || self.groups.iter().flat_map(|group| &group.columns);
        let height = |leaf: &Leaf<'_>| leaf.lines.len() + 2;
        let has_below = columns().any(|column| column.below.is_some());

        // Rows from top to bottom.
        let wire_above = columns().map(|column| height(&column.above)).max().unwrap_or(0);
        let root = wire_above + 1;
        let switch = root + 1;
        let names_above = switch + 1 + self.ports.len();
        let vlan = names_above + if has_below { 2 } else { 1 };
        let names_below = if has_below { vlan + 2 } else { vlan };
        let switch_end = names_below + 1;
        let root_end = switch_end + self.root.len() + 1;
        let wire_below = root_end + 1;

        let area = Area { x: 0, y: root, width: self.width, height: root_end - root + 1 };
        canvas.frame(area, Place::Root.name(), None);
        let (x, width) = (2, self.width - 4);
        let area = Area { x, y: switch, width, height: switch_end - switch + 1 };
        canvas.frame(area, &self.switch.name, None);

        for column in columns() {
            let leaf = &column.above;
            let middle = column.middle();
            let place = Some(leaf.place);
            let bottom = wire_above - 1;
            leaf_box(canvas, column, leaf, wire_above - height(leaf));
            canvas.vertical(middle, bottom, switch, place);
            if !self.ports.is_empty() {
                canvas.vertical(middle, switch, names_above - 1, place);
            }
            canvas.text(middle + 2, wire_above, leaf.wire, None);
            centred(canvas, middle, names_above, &leaf.port.name, place);
            if has_below {
                canvas.vertical(middle, names_above, vlan, place);
            }
            if let Some(leaf) = &column.below {
                let place = Some(leaf.place);
                canvas.vertical(middle, vlan, names_below, place);
                centred(canvas, middle, names_below, &leaf.port.name, place);
                canvas.vertical(middle, switch_end, wire_below + 1, place);
                canvas.text(middle + 2, wire_below, leaf.wire, None);
                leaf_box(canvas, column, leaf, wire_below + 1);
            }
        }
        self.vlans(canvas, vlan, has_below);
        for (rows, first) in [(&self.ports, switch + 1), (&self.root, switch_end + 1)] {
            for (number, row) in rows.iter().enumerate() {
                for (x, item) in row {
                    canvas.text(*x, first + number, item, None);
                }
            }
        }
    }

    /// Joins the ports that share a VLAN, and names it.
    fn vlans(&self, canvas: &mut Canvas, row: usize, has_below: bool) {
        for group in &self.groups {
            let (Some(first), Some(last)) = (group.columns.first(), group.columns.last()) else {
                continue;
            };
            let (from, to) = (first.middle(), last.middle());
            if from < to {
                canvas.horizontal(row, from, to, None);
            }
            if from < to && !has_below {
                for column in &group.columns {
                    // The wire goes up to the port's name, which stands right above.
                    canvas.vertical(column.middle(), row - 1, row, None);
                }
            }
            centred(canvas, from.midpoint(to), row, &format!(" {} ", group.label), None);
        }
    }
}

/// The switch's port for an interface, and what kind of wire leads there.
fn wire<'a>(switch: &'a Switch, interface: &Interface) -> Option<(&'a SwitchPort, &'static str)> {
    let port = |name: &str| switch.ports.iter().find(|port| port.name == name);
    match &interface.peer {
        Some(peer) if peer.place == Place::Root => Some((port(&peer.name)?, "veth pair")),
        Some(_) => None,
        // An internal port is an interface of the switch itself, moved into the namespace.
        None => Some((port(&interface.name)?, "internal port")),
    }
}

/// Groups leaves by VLAN and gives each a column. Returns the width of the whole drawing too.
fn arrange(leaves: Vec<Leaf<'_>>, tagged: bool) -> (Vec<Group<'_>>, usize) {
    let mut vlans: Vec<(Option<u16>, Vec<Leaf<'_>>)> = Vec::new();
    for leaf in leaves {
        match vlans.iter_mut().find(|(tag, _)| *tag == leaf.port.tag) {
            Some((_, members)) => members.push(leaf),
            None => vlans.push((leaf.port.tag, vec![leaf])),
        }
    }
    // Of one VLAN alone all stand in one row; of several, two above each other.
    let two_rows = vlans.len() > 1;
    let mut x = EDGE;
    let mut groups = Vec::new();
    for (_, members) in vlans {
        let mut members = members.into_iter();
        let mut group = Group { label: String::new(), columns: Vec::new() };
        while let Some(above) = members.next() {
            group.label = contents::tag(above.port, tagged);
            let below = if two_rows { members.next() } else { None };
            let width = [Some(&above), below.as_ref()].into_iter().flatten().map(width).max();
            let width = width.unwrap_or(0).max(group.label.chars().count() + 2);
            group.columns.push(Column { x, width, above, below });
            x += width + GAP;
        }
        groups.push(group);
    }
    (groups, x - GAP + EDGE)
}

fn width(leaf: &Leaf<'_>) -> usize {
    let inner = leaf.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let title = leaf.place.name().chars().count() + 2;
    (inner.max(title) + FRAME).max(leaf.port.name.chars().count() + 2)
}

/// Sets items into rows, beside each other where there is room, and never across a wire.
fn place_items(items: &[String], wires: &[usize], inside: std::ops::Range<usize>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut x = inside.end;
    for item in items {
        let room = inside.end - inside.start;
        let item: String = item.chars().take(room).collect();
        let length = item.chars().count();
        let clear = |x: usize| {
            let end = x + length;
            let crossed = wires.iter().any(|&wire| wire + CLEAR >= x && wire <= end);
            end <= inside.end && !crossed
        };
        let mut fits = (x..inside.end).find(|&x| clear(x));
        if fits.is_none() {
            rows.push(Row::new());
            fits = (inside.start..inside.end).find(|&x| clear(x));
        }
        // Longer than any gap between wires: it lies over them rather than being lost.
        let at = fits.unwrap_or(inside.start);
        x = at + length + 3;
        if let Some(row) = rows.last_mut() {
            row.push((at, item));
        }
    }
    rows
}

fn leaf_box(canvas: &mut Canvas, column: &Column<'_>, leaf: &Leaf<'_>, y: usize) {
    let area = Area { x: column.x, y, width: column.width, height: leaf.lines.len() + 2 };
    canvas.frame(area, leaf.place.name(), Some(leaf.place));
    for (number, line) in leaf.lines.iter().enumerate() {
        canvas.text(column.x + 2, y + 1 + number, line, None);
    }
}

fn centred(canvas: &mut Canvas, middle: usize, y: usize, text: &str, place: Option<&Place>) {
    let x = middle.saturating_sub(text.chars().count() / 2);
    canvas.text(x, y, text, place);
}
