//! The shapes of the lines of a chunk: what stands between their values, byte for byte.
//!
//! A log has a few dozen shapes of line. A line that the strict scanner has read teaches its shape: the literals between its values, and
//! what each value is for. The next line of that shape is not scanned but compared: a literal, a value, the next literal. Where a value
//! ends is told by the [`Marks`]; what may follow it is a tree, since shapes share their beginnings. A line that leaves the tree
//! is read by the scanner.
//!
//! So each line that passes is JSON, because its literals were once read strictly around values of the same kinds. Nothing is
//! given up for the speed: whatever is told of a line is what the scanner would have told, which the tests hold it to.
//!
//! Their number is bounded. They are kept for the next chunk while most lines have a known one and there is room for more: where that is
//! not so, the next chunk begins with none, so that no line can slow down what is read an hour later. Those that are kept are learned anew
//! from time to time, since the values that are [constant](Sample) change.

use crate::ingest::fields::Tree;
use crate::ingest::json::constants::Sample;
use crate::ingest::json::literals::{Behind, Literal, ShapeTree, ToldPart};
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::{Edge, Members, Role};
use crate::ingest::json::scan::{Scanner, Span, Token};

/// Values of a line that teaches a shape. Of longer lines there are few, and the scanner is good at them.
const MAX_VALUES: usize = 512;

/// Lines after which it is asked whether shapes are worth their while, and of how many one at least must have had a known one.
const TRIAL_LINES: u32 = 512;
const LINES_A_KNOWN_ONE: u32 = 4;

/// Of how many lines of a chunk one may have an unknown shape, at most, for what was learned to be kept.
const LINES_AN_UNKNOWN_ONE: u32 = 2;

/// Lines after which shapes are learned anew, with the values that are constant by then: a second or so of decoding, of which that
/// takes some thousandths.
const MAX_LINES: u32 = 1 << 20;

/// What a line is whose words are numbers: those tell by their place what the words are for.
const WORDS: [(&str, &str); 3] = [("true", "1111"), ("false", "11111"), ("null", "1111")];

/// The shapes of the lines that were read so far.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    tree: ShapeTree,
    /// What the line at hand tells.
    told: Vec<ToldPart>,
    /// What tells which values are constant.
    sample: Sample,
    /// Lines since the last trial, and how many of them had a known shape.
    tried: u32,
    known: u32,
    /// Lines that were tried in the chunks before.
    lines: u32,
    /// Whether shapes are of no use here.
    off: bool,
}

impl Shapes {
    /// Reads the line at `scanner`, which reads `text`, into `members`, leaves the scanner at the line end and returns the end of the object.
    /// Where the shape of the line is not known, or anything is wrong with it, the scanner stays where it is.
    #[inline(always)]
    pub fn read(&mut self, text: &str, scanner: &mut Scanner<'_>, members: &mut Members) -> Option<usize> {
        if self.off {
            return None;
        }
        let start = scanner.at;
        let sampled = self.sample.takes(self.tried);
        let last = match sampled {
            true => self.tree.pass::<true>(scanner, &mut self.told),
            false => self.tree.pass::<false>(scanner, &mut self.told),
        };
        let last = last.filter(|_| self.tell(members).finish(text).is_ok());
        self.tried += 1;
        self.known += u32::from(last.is_some());
        if last.is_none() {
            scanner.at = start;
            self.off = self.tried > TRIAL_LINES && self.known < self.tried / LINES_A_KNOWN_ONE;
        } else if sampled {
            self.sample.take(text, &self.told, &mut self.tree);
        }
        last
    }

    /// Tells `members` of a line that has passed.
    #[inline(always)]
    fn tell<'m>(&self, members: &'m mut Members) -> &'m mut Members {
        members.clear();
        for &ToldPart { node, behind } in &self.told {
            let Some(node) = self.tree.node(node) else { continue };
            let start = behind.start - node.length as usize;
            self.tree.edges_of(node).iter().for_each(|&(at, edge)| members.reach(edge, start + at));
            match node.behind {
                Behind::Text(role) => members.take(role, Token::Text(behind), behind),
                Behind::Number(role) => members.take(role, Token::Number(behind), behind),
                Behind::Plain | Behind::End(_) => {}
            }
        }
        members
    }

    /// What is kept of them for the next chunk.
    pub fn kept(self) -> Option<Self> {
        let unknown = self.tried - self.known;
        let lines = self.lines.saturating_add(self.tried);
        let worth = !self.off && !self.tree.is_full() && unknown <= self.tried / LINES_AN_UNKNOWN_ONE;
        (worth && lines < MAX_LINES).then_some(Self { tried: 0, known: 0, lines, ..self })
    }

    /// Learns the shape of an event that was read strictly: `line` begins with its object, which has `length` bytes, and ends where the
    /// line does. What `members` hold is lost.
    #[cold]
    pub fn learn(&mut self, line: &str, length: usize, tree: Option<&Tree>, members: &mut Members) {
        if self.off || self.tree.is_full() {
            return;
        }
        let mut marks = Marks::default();
        marks.make(line.as_bytes());
        let Some(values) = values(line, &marks) else { return };
        // Where a word stands, the same line with a number in its place says what it is for.
        let mut numbered = line.to_owned();
        for &(span, kind) in values.iter().filter(|(_, kind)| *kind == Kind::Word) {
            let digits = WORDS.iter().find(|(word, _)| *word == span.of(line)).map_or("", |(_, digits)| digits);
            debug_assert_eq!(digits.len(), span.end - span.start, "{kind:?}");
            numbered.replace_range(span.start..span.end, digits);
        }
        if members.scan(tree, &numbered, &mut Scanner::new(&numbered, &marks)).is_err() {
            return;
        }
        let mut literals = Vec::with_capacity(values.len() + 1);
        let mut edges = members.edges().into_iter().peekable();
        let mut from = 0;
        let mut literal = |from: usize, to: usize, behind| {
            // A number has no quotes around it: what begins with one begins where the literal before it ends.
            let within =
                |at: usize, edge: Edge| at < to || at == to && !edge.ends() || matches!(behind, Behind::End(_));
            let edges = std::iter::from_fn(|| edges.next_if(|&(at, edge)| within(at, edge)));
            let edges = edges.map(|(at, edge)| (at - from, edge)).collect();
            Literal { text: line.get(from..to).unwrap_or_default(), edges, behind }
        };
        for (span, kind) in values {
            let Some(role) = members.role(span.start) else { return };
            let behind = match kind {
                Kind::Text => Behind::Text(role),
                Kind::Number if role != Role::Skipped => Behind::Number(role),
                Kind::Word if role != Role::Skipped && span.of(line) == "null" => continue,
                // Counted, where it stands for an identity.
                Kind::Word if role != Role::Skipped => return,
                Kind::Number | Kind::Word => Behind::Plain,
            };
            literals.push(literal(from, span.start, behind));
            from = span.end;
        }
        literals.push(literal(from, line.len(), Behind::End((line.len() - length) as u32)));
        self.tree.add(&literals);
    }

    /// Shapes of which so many lines are sampled, and that are learned anew after `left` more.
    #[cfg(test)]
    pub fn sampling(sampled: u32, left: u32) -> Self {
        Self { sample: Sample::of(sampled), lines: MAX_LINES - left, ..Self::default() }
    }

    /// The literals that were folded.
    #[cfg(test)]
    pub fn folded(&self) -> Vec<String> {
        self.tree.folded()
    }

    /// Whether it holds no more than it may, and was given up.
    #[cfg(test)]
    pub fn is_bounded(&self) -> bool {
        self.off && self.tree.is_bounded(MAX_VALUES)
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Word,
}

/// The values of a line that is JSON, keys left out: texts between their quotes. `None` where there are too many.
fn values(line: &str, marks: &Marks) -> Option<Vec<(Span, Kind)>> {
    let mut scanner = Scanner::new(line, marks);
    let mut values = Vec::new();
    while !scanner.rest().is_empty() {
        if values.len() > MAX_VALUES {
            return None;
        }
        let start = scanner.at;
        let kind = match scanner.byte_after(0) {
            b'"' => {
                scanner.at += 1;
                let span = scanner.string().ok()?;
                if scanner.white() != b':' {
                    values.push((span, Kind::Text));
                }
                continue;
            }
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' | b'n' => Kind::Word,
            _ => {
                scanner.at += 1;
                continue;
            }
        };
        scanner.skip_flat(scanner.byte_after(0)).ok()?;
        values.push((Span::plain(start, scanner.at), kind));
    }
    Some(values)
}
