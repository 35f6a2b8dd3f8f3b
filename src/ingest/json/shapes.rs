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
//! not so, the next chunk begins with none, so that no line can slow down what is read an hour later.

use smallvec::SmallVec;
use wide::u8x16;

use crate::ingest::fields::Tree;
use crate::ingest::json::marks::Marks;
use crate::ingest::json::members::{Edge, Members, Role};
use crate::ingest::json::scan::{Scanner, Span, Token};

/// Literals that are kept: those of a thousand shapes that share their beginnings, in two megabytes. A log of ever new keys has no use for more.
const MAX_NODES: usize = 1 << 14;

/// Blocks of literals that are kept: literals are long where a log repeats itself, and not without end.
const MAX_BLOCKS: usize = 1 << 16;

/// Values of a line that teaches a shape. Of longer lines there are few, and the scanner is good at them.
const MAX_VALUES: usize = 512;

/// Literals that may follow one value, since they are compared one after the other.
const MAX_SIBLINGS: usize = 64;

/// Lines after which it is asked whether shapes are worth their while, and of how many one at least must have had a known one.
const TRIAL_LINES: u32 = 512;
const LINES_A_KNOWN_ONE: u32 = 4;

/// Of how many lines of a chunk one may have an unknown shape, at most, for what was learned to be kept.
const LINES_AN_UNKNOWN_ONE: u32 = 2;

/// Bytes that are compared at once: a vector that every x86-64 and ARM64 processor has.
const LANES: usize = 16;

/// What a line is whose words are numbers: those tell by their place what the words are for.
const WORDS: [(&str, &str); 3] = [("true", "1111"), ("false", "11111"), ("null", "1111")];

/// What is found behind a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// A text. Its opening quote is the literal's last byte, its closing one the first byte of the next literal.
    Text(Role),
    /// A number.
    Number(Role),
    /// A number, `true`, `false` or `null` that nobody reads. A word that tells something is a part of the literal.
    Plain,
    /// The end of the line. So many bytes of the literal lie behind the object.
    End(u32),
}

/// How that mostly looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A text without escapes.
    Text,
    /// A few digits.
    Number,
    /// These, or a word.
    Plain,
    /// Nothing.
    End,
}

impl Behind {
    fn form(self) -> Form {
        match self {
            Self::Text(_) => Form::Text,
            Self::Number(_) => Form::Number,
            Self::Plain => Form::Plain,
            Self::End(_) => Form::End,
        }
    }

    /// Whether it is a value that is read.
    fn is_read(self) -> bool {
        match self {
            Self::Text(role) | Self::Number(role) => role != Role::Skipped,
            Self::Plain | Self::End(_) => false,
        }
    }
}

/// A literal, what lies behind it, and what may follow that. A cache line.
#[derive(Debug, Clone, Copy)]
struct ShapeNode {
    /// The first bytes of the literal, and which of them it has.
    head: [u8; LANES],
    head_mask: u32,
    /// How many bytes it has.
    length: u32,
    behind: Behind,
    form: Form,
    /// The first literal that may follow what lies behind.
    child: u32,
    /// The next literal that may stand in the place of this one.
    sibling: u32,
    /// Whether it has edges, or the value behind it is read.
    tells: bool,
    /// The first block of its bytes.
    block: u32,
    /// The first of the edges in it, and how many there are.
    edge: u32,
    edges: u32,
}

const _: () = assert!(size_of::<ShapeNode>() <= 64);

impl ShapeNode {
    /// Whether `bytes`, which lie behind its literal, may begin with what it says.
    #[inline(never)]
    fn belongs(&self, bytes: &[u8]) -> bool {
        let byte = bytes.first().copied().unwrap_or(b'\n');
        match self.behind {
            Behind::Text(_) => true,
            Behind::Number(_) => matches!(byte, b'-' | b'0'..=b'9'),
            Behind::Plain => matches!(byte, b'-' | b'0'..=b'9' | b't' | b'f' | b'n'),
            Behind::End(_) => byte == b'\n',
        }
    }

    /// Where the value lies that begins at `at`; `None` where it is none.
    #[inline(never)]
    fn value(&self, scanner: &mut Scanner<'_>, at: usize) -> Option<Span> {
        scanner.at = at;
        match self.behind {
            Behind::Text(_) => return scanner.string().ok(),
            Behind::Number(_) => scanner.number().ok()?,
            Behind::Plain => scanner.skip_flat(scanner.byte_after(0)).ok()?,
            Behind::End(_) => {}
        }
        Some(Span::plain(at, scanner.at))
    }
}

/// A literal of a line that is learned, with the edges in it and what lies behind it.
struct Literal<'l> {
    text: &'l str,
    edges: SmallVec<[(usize, Edge); 4]>,
    behind: Behind,
}

/// The place of no node.
const NONE: u32 = u32::MAX;

/// The shapes of the lines that were read so far.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    tree: ShapeTree,
    /// What the line at hand tells.
    told: Vec<ToldPart>,
    /// Lines since the last trial, and how many of them had a known shape.
    tried: u32,
    known: u32,
    /// Whether shapes are of no use here.
    off: bool,
}

/// A literal whose edges, or the value behind it, tell something: its place in the tree, and where what lies behind it lies.
#[derive(Debug, Clone, Copy)]
struct ToldPart {
    node: u32,
    behind: Span,
}

/// The literals of all shapes.
#[derive(Debug, Default)]
struct ShapeTree {
    /// The first is one that may begin a line.
    nodes: Vec<ShapeNode>,
    /// The literals: each begins a block, and ends in zeros.
    blocks: Vec<[u8; LANES]>,
    /// What begins and ends within the literals, and how many bytes from their start.
    edges: Vec<(usize, Edge)>,
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
        let last = self.tree.pass(scanner, &mut self.told);
        let last = last.filter(|_| self.tell(members).finish(text).is_ok());
        self.tried += 1;
        self.known += u32::from(last.is_some());
        if last.is_none() {
            scanner.at = start;
            self.off = self.tried > TRIAL_LINES && self.known < self.tried / LINES_A_KNOWN_ONE;
        }
        last
    }

    /// Tells `members` of a line that has passed.
    #[inline(always)]
    fn tell<'m>(&self, members: &'m mut Members) -> &'m mut Members {
        members.clear();
        for &ToldPart { node, behind } in &self.told {
            let Some(node) = self.tree.nodes.get(node as usize) else { continue };
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
        let worth = !self.off && !self.tree.is_full() && unknown <= self.tried / LINES_AN_UNKNOWN_ONE;
        worth.then_some(Self { tried: 0, known: 0, ..self })
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

    /// Whether it holds no more than it may, and was given up.
    #[cfg(test)]
    pub fn is_bounded(&self) -> bool {
        self.off && self.tree.nodes.len() <= MAX_NODES + MAX_VALUES && self.tree.blocks.len() <= 2 * MAX_BLOCKS
    }
}

impl ShapeTree {
    fn is_full(&self) -> bool {
        self.nodes.len() >= MAX_NODES || self.blocks.len() >= MAX_BLOCKS
    }

    /// Passes the line at `scanner`, notes what it tells, leaves the scanner at the line end and returns the end of the object; `None` where
    /// the line has no known shape. Apart from all that is done with a line, and from values that are rare, so that what most need
    /// stays in registers.
    #[inline(never)]
    fn pass(&self, scanner: &mut Scanner<'_>, told: &mut Vec<ToldPart>) -> Option<usize> {
        told.clear();
        let text = scanner.text();
        let (mut at, mut next) = (scanner.at, 0);
        loop {
            let node = self.nodes.get(next as usize)?;
            if !self.begins(node, text.from(at)) {
                next = node.sibling;
                continue;
            }
            let end = at + node.length as usize;
            let simple = match node.form {
                Form::Text => text.plain(end),
                Form::Number => text.short_number(end),
                Form::Plain => text.short_number(end).or_else(|| text.word(end)),
                Form::End => None,
            };
            let behind = match simple {
                Some(simple) => simple,
                None if node.belongs(text.from(end)) => node.value(scanner, end)?,
                None => {
                    next = node.sibling;
                    continue;
                }
            };
            if node.tells {
                told.push(ToldPart { node: next, behind });
            }
            if let Behind::End(after) = node.behind {
                scanner.at = end;
                return Some(end - after as usize);
            }
            (at, next) = (behind.end, node.child);
        }
    }

    /// Whether `bytes` begin with the literal of a node.
    #[inline(always)]
    fn begins(&self, node: &ShapeNode, bytes: &[u8]) -> bool {
        let Some((found, rest)) = bytes.split_first_chunk::<LANES>() else {
            return bytes.starts_with(self.literal(node));
        };
        let same = u8x16::new(*found).simd_eq(u8x16::new(node.head)).to_bitmask();
        same & node.head_mask == node.head_mask && (node.length as usize <= LANES || self.goes_on(node, rest))
    }

    /// Whether `bytes` are what follows on the first block of a node's literal.
    #[inline(never)]
    fn goes_on(&self, node: &ShapeNode, mut bytes: &[u8]) -> bool {
        let mut left = node.length as usize - LANES;
        for block in self.blocks.get(node.block as usize + 1..).unwrap_or_default() {
            let Some((found, rest)) = bytes.split_first_chunk::<LANES>() else {
                return left <= bytes.len() && bytes.get(..left) == block.get(..left);
            };
            let differing = !u8x16::new(*found).simd_eq(u8x16::new(*block)).to_bitmask();
            if left <= LANES {
                return differing.trailing_zeros() as usize >= left;
            }
            if differing.trailing_zeros() < LANES as u32 {
                return false;
            }
            left -= LANES;
            bytes = rest;
        }
        false
    }

    /// Adds the literals of a line to the tree. Where a value on the way has another role in it than in a line that was learned before (a key
    /// that is repeated later on, of which the last counts), the line stays unknown.
    fn add(&mut self, literals: &[Literal<'_>]) {
        let mut parent: Option<u32> = None;
        for Literal { text, edges, behind } in literals {
            let mut place = match parent {
                None if self.nodes.is_empty() => NONE,
                None => 0,
                Some(parent) => self.nodes.get(parent as usize).map_or(NONE, |node| node.child),
            };
            let (mut last, mut siblings) = (None, 0);
            while let Some(node) = self.nodes.get(place as usize) {
                if self.literal(node) == text.as_bytes() {
                    break;
                }
                siblings += 1;
                last = Some(place);
                place = node.sibling;
            }
            match self.nodes.get(place as usize) {
                Some(node) if node.behind != *behind || self.edges_of(node) != &**edges => return,
                Some(_) => parent = Some(place),
                None if siblings == MAX_SIBLINGS => return,
                None => {
                    let new = self.nodes.len() as u32;
                    if let Some(node) = last.and_then(|last: u32| self.nodes.get_mut(last as usize)) {
                        node.sibling = new;
                    } else if let Some(node) = parent.and_then(|parent| self.nodes.get_mut(parent as usize)) {
                        node.child = new;
                    }
                    let block = self.blocks.len();
                    let (whole, rest) = text.as_bytes().as_chunks::<LANES>();
                    self.blocks.extend(whole);
                    let mut end = [0; LANES];
                    end.iter_mut().zip(rest).for_each(|(end, &byte)| *end = byte);
                    self.blocks.push(end);
                    self.nodes.push(ShapeNode {
                        head: self.blocks.get(block).copied().unwrap_or_default(),
                        head_mask: (1 << text.len().min(LANES)) - 1,
                        length: text.len() as u32,
                        behind: *behind,
                        form: behind.form(),
                        child: NONE,
                        sibling: NONE,
                        tells: !edges.is_empty() || behind.is_read(),
                        block: block as u32,
                        edge: self.edges.len() as u32,
                        edges: edges.len() as u32,
                    });
                    self.edges.extend_from_slice(edges);
                    parent = Some(new);
                }
            }
        }
    }

    #[inline(always)]
    fn edges_of(&self, node: &ShapeNode) -> &[(usize, Edge)] {
        let from = node.edge as usize;
        self.edges.get(from..from + node.edges as usize).unwrap_or_default()
    }

    fn literal(&self, node: &ShapeNode) -> &[u8] {
        let bytes = self.blocks.get(node.block as usize..).unwrap_or_default().as_flattened();
        bytes.get(..node.length as usize).unwrap_or_default()
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
