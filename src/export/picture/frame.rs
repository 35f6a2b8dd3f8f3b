//! The columns of the picture from left to right: one for each level and, where a link of the chain leads from one level to
//! the next, one for its moment between them.

use crate::export::picture::label::{columns, moment};
use crate::export::picture::pen::{MARGIN, NAMESPACE_SIGN, VALUE_SIGN};
use crate::export::picture::placement::{Placement, Plan, PlannedLine, place};
use crate::export::picture::{DrawnIdentity, DrawnLink, Picture};

/// No picture is narrower: the legend is to have room.
const LEAST_WIDTH: f64 = 620.0;

/// Between the box of an identity and its text.
pub const PADDING: f64 = 12.0;
/// Between namespace and value.
pub const SPACE: f64 = 7.0;
/// The number of a person: its least width, the width of a sign, and from it to the text.
const MARK: f64 = 15.0;
const MARK_SIGN: f64 = 6.6;
pub const MARK_SPACE: f64 = 6.0;

/// The width of a sign of a moment, and what stands around it.
pub const MOMENT_SIGN: f64 = 6.05;
pub const MOMENT_PADDING: f64 = 6.0;

/// Between two levels, between a level and a moment, and more where the picture is high, lest lines become steep.
const GAP: f64 = 150.0;
const MOMENT_GAP: f64 = 75.0;
const MOST_GAP: f64 = 420.0;
const GAP_PER_HEIGHT: f64 = 0.11;

/// Where everything stands.
pub struct Frame {
    /// Left and right edge of each column.
    edges: Vec<(f64, f64)>,
    /// The column of each level.
    of_level: Vec<usize>,
    /// The column in which the moment of each link stands, if it has one.
    labels: Vec<Option<usize>>,
    placement: Placement,
    /// Where the placement begins.
    pub top: f64,
    pub width: f64,
}

impl Frame {
    pub fn new(picture: &Picture) -> Self {
        let mut of_level: Vec<usize> = Vec::with_capacity(picture.columns);
        let mut count = 0;
        for level in 0..picture.columns {
            of_level.push(count);
            count += 1 + usize::from(picture.links.iter().any(|link| link.chain && picture.leaves(link, level)));
        }
        let labels: Vec<Option<usize>> =
            picture.links.iter().map(|link| picture.label_column(link, &of_level)).collect();
        let nodes: Vec<usize> = picture.nodes.iter().map(|node| of_level[node.column]).collect();
        let planned = |(link, label): (&DrawnLink, &Option<usize>)| PlannedLine {
            from: link.lower,
            to: link.higher,
            chain: link.chain,
            label: *label,
        };
        let lines: Vec<PlannedLine> = picture.links.iter().zip(&labels).map(planned).collect();
        let placement = place(Plan { columns: count, nodes: &nodes, lines: &lines });
        let mut frame = Self { edges: Vec::new(), of_level, labels, placement, top: 0.0, width: 0.0 };
        frame.spread(picture, count);
        frame
    }

    /// Gives the columns their edges.
    fn spread(&mut self, picture: &Picture, count: usize) {
        let mut widths = vec![0.0_f64; count];
        for node in &picture.nodes {
            let width = &mut widths[self.of_level[node.column]];
            *width = width.max(picture.node_width(node));
        }
        for (link, label) in picture.links.iter().zip(&self.labels) {
            if let Some(label) = *label {
                widths[label] = widths[label].max(moment_width(link));
            }
        }
        let gap = |least: f64| (GAP_PER_HEIGHT * self.placement.height).clamp(least, MOST_GAP);
        let is_level = |column: usize| self.of_level.contains(&column);
        let gaps: Vec<f64> = (1..count)
            .map(|column| gap(if is_level(column) && is_level(column - 1) { GAP } else { MOMENT_GAP }))
            .collect();
        let drawn = widths.iter().chain(&gaps).sum::<f64>();
        self.width = (drawn + 2.0 * MARGIN).max(LEAST_WIDTH).ceil();
        let mut left = (self.width - drawn) / 2.0;
        for (column, width) in widths.iter().enumerate() {
            self.edges.push((left, left + width));
            left += width + gaps.get(column).copied().unwrap_or_default();
        }
    }

    /// The height of everything.
    pub fn height(&self) -> f64 {
        self.placement.height
    }

    /// The left and the right edge of an identity, and its middle from the top.
    pub fn node(&self, picture: &Picture, place: usize) -> (f64, f64, f64) {
        let (left, right) = self.edges[self.of_level[picture.nodes[place].column]];
        (left, right, self.top + self.placement.nodes[place])
    }

    /// The parts of a link, from column to column: left end and right end of each.
    pub fn way(&self, picture: &Picture, place: usize) -> Vec<[f64; 4]> {
        let link = &picture.links[place];
        let first = self.of_level[picture.nodes[link.lower].column];
        let heights: Vec<f64> = std::iter::once(self.placement.nodes[link.lower])
            .chain(self.placement.bends[place].iter().copied())
            .chain(std::iter::once(self.placement.nodes[link.higher]))
            .map(|height| self.top + height)
            .collect();
        let part =
            |(at, pair): (usize, &[f64])| [self.edges[first + at].1, pair[0], self.edges[first + at + 1].0, pair[1]];
        heights.windows(2).enumerate().map(part).collect()
    }

    /// The middle of the moment of a link, if it shows it.
    pub fn moment(&self, picture: &Picture, place: usize) -> Option<(f64, f64)> {
        let column = self.labels[place]?;
        let first = self.of_level[picture.nodes[picture.links[place].lower].column];
        let height = self.placement.bends[place].get(column - first - 1)?;
        let (left, right) = self.edges[column];
        Some(((left + right) / 2.0, self.top + height))
    }
}

impl Picture {
    /// Whether a link leads from an identity of a level to one of the next.
    fn leaves(&self, link: &DrawnLink, level: usize) -> bool {
        let [lower, higher] = [link.lower, link.higher].map(|place| self.nodes[place].column);
        lower == level && higher == level + 1
    }

    /// The column for the moment of a link: one that holds moments alone where the link passes such, else in its middle.
    fn label_column(&self, link: &DrawnLink, of_level: &[usize]) -> Option<usize> {
        let [lower, higher] = [link.lower, link.higher].map(|place| of_level[self.nodes[place].column]);
        let middle = (lower + higher) / 2;
        let apart = |column: &usize| column.abs_diff(middle);
        let alone = (lower + 1..higher).filter(|column| !of_level.contains(column)).min_by_key(apart);
        link.chain.then(|| alone.unwrap_or(middle))
    }

    /// The width of the number of a person.
    pub(super) fn mark_width(&self, person: usize) -> Option<f64> {
        self.mark(person).map(|mark| MARK.max(width(&mark, MARK_SIGN) + 8.0))
    }

    /// From the edge of an identity to its text.
    pub(super) fn text_inset(&self, node: &DrawnIdentity) -> f64 {
        match self.mark_width(node.person) {
            Some(mark) => MARK_SPACE + mark + MARK_SPACE,
            None => PADDING,
        }
    }

    fn node_width(&self, node: &DrawnIdentity) -> f64 {
        let namespace = width(&node.namespace, NAMESPACE_SIGN);
        self.text_inset(node) + namespace + SPACE + width(&node.label, VALUE_SIGN) + PADDING
    }
}

/// The width of the moment of a link.
pub(super) fn moment_width(link: &DrawnLink) -> f64 {
    width(&moment(link.first), MOMENT_SIGN) + 2.0 * MOMENT_PADDING
}

/// How wide a monospaced text is. It is written into the picture too, so that a viewer without such a font keeps to it.
pub fn width(text: &str, sign: f64) -> f64 {
    sign * columns(text) as f64
}
