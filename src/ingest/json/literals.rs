//! The literals of all shapes: a tree of them, since shapes share their beginnings, and how a line passes it.

use smallvec::SmallVec;
use wide::u8x16;

use crate::ingest::json::members::{Edge, Role};
use crate::ingest::json::scan::{Scanner, Span};

/// Literals that are kept: those of a thousand shapes that share their beginnings, in two megabytes. A log of ever new keys has no use for more.
pub(super) const MAX_NODES: usize = 1 << 14;

/// Blocks of literals that are kept: literals are long where a log repeats itself, and not without end.
pub(super) const MAX_BLOCKS: usize = 1 << 16;

/// Literals that may follow one value, since they are compared one after the other. At most as many folded ones are among them.
const MAX_SIBLINGS: usize = 64;

/// Bytes that are compared at once: a vector that every x86-64 and ARM64 processor has.
const LANES: usize = 16;

/// What is found behind a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
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
pub(super) struct ShapeNode {
    /// The first bytes of the literal, and which of them it has.
    head: [u8; LANES],
    head_mask: u32,
    /// How many bytes it has.
    pub length: u32,
    pub behind: Behind,
    form: Form,
    /// The first literal that may follow what lies behind.
    child: u32,
    /// The next literal that may stand in the place of this one.
    sibling: u32,
    /// Whether it has edges, or the value behind it is read.
    tells: bool,
    /// Whether it was [folded](ShapeTree::fold).
    folded: bool,
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
pub(super) struct Literal<'l> {
    pub text: &'l str,
    pub edges: SmallVec<[(usize, Edge); 4]>,
    pub behind: Behind,
}

/// The place of no node.
const NONE: u32 = u32::MAX;

/// A literal that a line has passed: its place in the tree, and where what lies behind it lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct ToldPart {
    pub node: u32,
    pub behind: Span,
}

/// The literals of all shapes.
#[derive(Debug, Default)]
pub(super) struct ShapeTree {
    /// The first is one that may begin a line.
    nodes: Vec<ShapeNode>,
    /// The literals: each begins a block, and ends in zeros.
    blocks: Vec<[u8; LANES]>,
    /// What begins and ends within the literals, and how many bytes from their start.
    edges: Vec<(usize, Edge)>,
}

impl ShapeTree {
    pub fn is_full(&self) -> bool {
        self.nodes.len() >= MAX_NODES || self.blocks.len() >= MAX_BLOCKS
    }

    pub fn is_half_full(&self) -> bool {
        self.nodes.len() >= MAX_NODES / 2 || self.blocks.len() >= MAX_BLOCKS / 2
    }

    /// Passes the line at `scanner`, notes what it tells, or `ALL` that it passes, leaves the scanner at the line end and returns the end of
    /// the object; `None` where the line has no known shape. Apart from all that is done with a line, and from values that are rare, so that
    /// what most need stays in registers.
    #[inline(never)]
    pub fn pass<const ALL: bool>(&self, scanner: &mut Scanner<'_>, told: &mut Vec<ToldPart>) -> Option<usize> {
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
            if ALL || node.tells {
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
    pub fn add(&mut self, literals: &[Literal<'_>]) {
        let mut parent: Option<u32> = None;
        for Literal { text, edges, behind } in literals {
            let mut place = match parent {
                None if self.nodes.is_empty() => NONE,
                None => 0,
                Some(parent) => self.nodes.get(parent as usize).map_or(NONE, |node| node.child),
            };
            let (mut last, mut siblings) = (None, 0);
            while let Some(node) = self.nodes.get(place as usize) {
                if !node.folded && self.literal(node) == text.as_bytes() {
                    break;
                }
                siblings += usize::from(!node.folded);
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
                    let node = self.node_of(text.as_bytes(), edges, *behind);
                    self.nodes.push(node);
                    parent = Some(new);
                }
            }
        }
    }

    /// A node without child and sibling. Its literal and edges are kept.
    fn node_of(&mut self, text: &[u8], edges: &[(usize, Edge)], behind: Behind) -> ShapeNode {
        let block = self.blocks.len();
        let (whole, rest) = text.as_chunks::<LANES>();
        self.blocks.extend(whole);
        let mut end = [0; LANES];
        end.iter_mut().zip(rest).for_each(|(end, &byte)| *end = byte);
        self.blocks.push(end);
        let edge = self.edges.len();
        self.edges.extend_from_slice(edges);
        ShapeNode {
            head: self.blocks.get(block).copied().unwrap_or_default(),
            head_mask: (1 << text.len().min(LANES)) - 1,
            length: text.len() as u32,
            behind,
            form: behind.form(),
            child: NONE,
            sibling: NONE,
            tells: !edges.is_empty() || behind.is_read(),
            folded: false,
            block: block as u32,
            edge: edge as u32,
            edges: edges.len() as u32,
        }
    }

    /// Makes one literal of the literals of `path`, the value behind each of them, and the literal of `last`: what may follow is what
    /// follows on that. It takes the place of the first of them in the tree, which becomes its next sibling, so that a line with another
    /// value goes on there as if nothing had been folded. No literal of a path may have been folded already.
    pub fn fold(&mut self, path: &[(u32, &[u8])], last: u32) {
        let (Some(&(first, _)), Some(&end)) = (path.first(), self.node(last)) else { return };
        let (mut text, mut edges) = (Vec::new(), Vec::new());
        for &(place, value) in path.iter().chain([&(last, &[][..])]) {
            let Some(node) = self.node(place) else { return };
            edges.extend(self.edges_of(node).iter().map(|&(at, edge)| (text.len() + at, edge)));
            text.extend_from_slice(self.literal(node));
            text.extend_from_slice(value);
        }
        let moved = self.nodes.len() as u32;
        let node = self.node_of(&text, &edges, end.behind);
        let folded = ShapeNode { child: end.child, sibling: moved, folded: true, ..node };
        if let Some(place) = self.nodes.get_mut(first as usize) {
            let generic = std::mem::replace(place, folded);
            self.nodes.push(generic);
        }
    }

    pub fn node(&self, place: u32) -> Option<&ShapeNode> {
        self.nodes.get(place as usize)
    }

    /// The places of the literals that may follow what lies behind that at `place`; of those that may begin a line where there is none.
    pub fn followers(&self, place: Option<u32>) -> impl Iterator<Item = u32> {
        let first = place.map_or(0, |place| self.node(place).map_or(NONE, |node| node.child));
        let is_node = |place: &u32| self.node(*place).is_some();
        std::iter::successors(Some(first).filter(is_node), move |&place| {
            self.node(place).map(|node| node.sibling).filter(is_node)
        })
    }

    /// The literals that were folded, sorted.
    #[cfg(test)]
    pub fn folded(&self) -> Vec<String> {
        let nodes = self.nodes.iter().filter(|node| node.folded);
        let mut texts: Vec<_> = nodes.map(|node| String::from_utf8_lossy(self.literal(node)).into_owned()).collect();
        texts.sort_unstable();
        texts
    }

    #[cfg(test)]
    pub fn is_bounded(&self, more: usize) -> bool {
        self.nodes.len() <= MAX_NODES + more && self.blocks.len() <= 2 * MAX_BLOCKS
    }

    #[inline(always)]
    pub fn edges_of(&self, node: &ShapeNode) -> &[(usize, Edge)] {
        let from = node.edge as usize;
        self.edges.get(from..from + node.edges as usize).unwrap_or_default()
    }

    fn literal(&self, node: &ShapeNode) -> &[u8] {
        let bytes = self.blocks.get(node.block as usize..).unwrap_or_default().as_flattened();
        bytes.get(..node.length as usize).unwrap_or_default()
    }
}
