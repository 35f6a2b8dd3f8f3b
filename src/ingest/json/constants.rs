//! Values that never change, made a part of the literals around them.
//!
//! Many values of a log are the same in all lines: a currency, the version of a library, a flag. To pass a value takes as long as to
//! compare some sixty bytes more. So where nobody reads a value and it is constant, it is [folded](ShapeTree::fold) with the literals before
//! and behind it into one literal.
//!
//! Which values are constant is told by a sample of the lines. Where that was wrong, or a constant changes later on, lines fail one comparison
//! more for each folded literal and go on as if there were none: slightly slower, whatever the log, and never wrong.

use crate::ingest::json::literals::{Behind, ShapeTree, ToldPart};
use crate::ingest::json::members::Role;

/// Lines that are sampled: of sixty shapes in turn each is seen thirty times. And of how many lines one is: a prime number, so that of shapes
/// that take turns mostly all are seen.
const SAMPLED_LINES: u32 = 1 << 11;
const LINES_A_SAMPLED_ONE: u32 = 7;

/// Sampled lines in which a value must have been the same, and none another.
const MIN_PASSES: u32 = 8;

/// Bytes of a constant, escapes as they are spelled. Longer texts are seldom the same in all lines, and these are kept for each literal.
const MAX_CONSTANT_BYTES: usize = 64;

/// Constants that are folded into one literal, and the bytes it has: in vain, it is compared up to where a line differs.
const MAX_CONSTANTS: usize = 4;
const MAX_FOLDED_BYTES: u32 = 128;

/// Of the lines that pass the first literal that is folded, one in so many may leave before the last.
const LINES_A_LEAVING_ONE: u32 = 4;

/// What is behind a literal in the lines of a sample.
#[derive(Debug, Clone, Default)]
struct Note {
    /// How many lines passed it.
    passes: u32,
    /// The value, while it is the same in all.
    value: Option<Box<[u8]>>,
}

/// A sample of the lines that have a known shape.
#[derive(Debug)]
pub(super) struct Sample {
    /// Lines that are to be sampled still.
    left: u32,
    /// A note for each literal of the tree.
    notes: Vec<Note>,
}

impl Default for Sample {
    fn default() -> Self {
        Self::of(SAMPLED_LINES)
    }
}

impl Sample {
    /// One of so many lines.
    pub fn of(lines: u32) -> Self {
        Self { left: lines, notes: Vec::new() }
    }

    /// Whether a line belongs to it that has this number.
    #[inline(always)]
    pub fn takes(&self, line: u32) -> bool {
        self.left > 0 && line.is_multiple_of(LINES_A_SAMPLED_ONE)
    }

    /// Takes a line of `text` that has `passed` these literals of the tree. After the last one, what is constant is folded.
    #[cold]
    pub fn take(&mut self, text: &str, passed: &[ToldPart], tree: &mut ShapeTree) {
        for &ToldPart { node, behind } in passed {
            let place = node as usize;
            if place >= self.notes.len() {
                self.notes.resize(place + 1, Note::default());
            }
            let Some(note) = self.notes.get_mut(place) else { continue };
            let value = Some(behind.of(text).as_bytes());
            let value = value.filter(|value| value.len() <= MAX_CONSTANT_BYTES);
            note.value = match note.passes {
                0 => value.map(Box::from),
                _ => note.value.take().filter(|known| value == Some(known)),
            };
            note.passes += 1;
        }
        self.left -= 1;
        if self.left == 0 {
            self.fold(tree);
            self.notes = Vec::new();
        }
    }

    /// Folds what is constant, from the literals that begin a line to those that end one.
    fn fold(&self, tree: &mut ShapeTree) {
        let mut open: Vec<u32> = tree.followers(None).collect();
        while let Some(first) = open.pop() {
            let (path, last) = self.path(tree, first);
            // What else may follow on the way is a beginning, too.
            let next = path.iter().skip(1).map(|&(place, _)| place).chain([last]);
            for (&(place, _), next) in path.iter().zip(next) {
                open.extend(tree.followers(Some(place)).filter(|&place| place != next));
            }
            open.extend(tree.followers(Some(last)));
            // Half of the room is for shapes that are learned later on.
            if !tree.is_half_full() {
                tree.fold(&path, last);
            }
        }
    }

    /// The literals from `first` on behind which there are constants, with these, and the literal that follows on the last of them.
    fn path(&self, tree: &ShapeTree, first: u32) -> (Vec<(u32, &[u8])>, u32) {
        let (mut path, mut last) = (Vec::new(), first);
        let enough = self.passes(first) - self.passes(first) / LINES_A_LEAVING_ONE;
        let mut bytes = tree.node(first).map_or(0, |node| node.length);
        while path.len() < MAX_CONSTANTS {
            let Some(value) = self.constant(tree, last) else { break };
            let next = tree.followers(Some(last)).max_by_key(|&place| self.passes(place));
            let Some(next) = next.filter(|&next| self.passes(next) >= enough) else { break };
            bytes += value.len() as u32 + tree.node(next).map_or(0, |node| node.length);
            if bytes > MAX_FOLDED_BYTES {
                break;
            }
            path.push((last, value));
            last = next;
        }
        (path, last)
    }

    /// The constant behind the literal at `place`; `None` where there is none, or something that is read.
    fn constant(&self, tree: &ShapeTree, place: u32) -> Option<&[u8]> {
        let unread = matches!(tree.node(place)?.behind, Behind::Text(Role::Skipped) | Behind::Plain);
        let note = self.notes.get(place as usize).filter(|note| unread && note.passes >= MIN_PASSES)?;
        note.value.as_deref()
    }

    fn passes(&self, place: u32) -> u32 {
        self.notes.get(place as usize).map_or(0, |note| note.passes)
    }
}
