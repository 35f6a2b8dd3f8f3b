//! The rows of a batch that go into the store, read as stored events are before any run of the store holds them.

use std::slice::ChunkBy;

use crate::engine::batch::rows::{BatchRow, BatchRows, RowReader};
use crate::model::event::Event;
use crate::model::identity::IdentityId;
use crate::resolver::kept::Arriving;

/// Rows of a batch that were settled. By default none.
#[derive(Clone, Copy, Default)]
pub struct ArrivingRows<'b> {
    rows: Option<&'b BatchRows>,
    /// Grouped by anchor, each group as events are within an anchor.
    grouped: &'b [BatchRow],
}

impl<'b> ArrivingRows<'b> {
    /// Those of `rows`, grouped, that [arrive](BatchRow::arrives).
    pub fn new(rows: &'b BatchRows, grouped: &'b [BatchRow]) -> Self {
        Self { rows: Some(rows), grouped }
    }
}

impl Arriving for ArrivingRows<'_> {
    type Events<'a>
        = RowEvents<'a>
    where
        Self: 'a;
    type Piece<'a>
        = RowGroups<'a>
    where
        Self: 'a;

    fn pieces(&self, count: usize) -> Vec<RowGroups<'_>> {
        let Some(rows) = self.rows else { return Vec::new() };
        let pieces = cut(self.grouped, count).into_iter();
        pieces.map(|piece| RowGroups { rows, groups: piece.chunk_by(|a, b| a.anchor == b.anchor) }).collect()
    }
}

/// Cuts grouped rows into about `count` pieces, between anchors.
fn cut(mut rows: &[BatchRow], count: usize) -> Vec<&[BatchRow]> {
    let mut pieces = Vec::with_capacity(count);
    let size = piece_size(rows, count);
    while !rows.is_empty() {
        let (piece, rest) = rows.split_at(piece_end(rows, size));
        pieces.push(piece);
        rows = rest;
    }
    pieces
}

/// How many rows each of `count` pieces has.
pub fn piece_size(rows: &[BatchRow], count: usize) -> usize {
    rows.len().div_ceil(count).max(1)
}

/// The end of a piece of at least `size` grouped rows: behind the last of an anchor.
pub fn piece_end(rows: &[BatchRow], size: usize) -> usize {
    let end = size.min(rows.len());
    end + rows[end..].iter().take_while(|row| row.anchor == rows[end - 1].anchor).count()
}

type SameAnchor = fn(&BatchRow, &BatchRow) -> bool;

/// Groups of rows.
pub struct RowGroups<'a> {
    rows: &'a BatchRows,
    groups: ChunkBy<'a, BatchRow, SameAnchor>,
}

impl<'a> Iterator for RowGroups<'a> {
    type Item = (IdentityId, RowEvents<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut events = RowEvents { rows: self.rows, reader: self.rows.reader(), left: self.groups.next()? };
            events.skip_stored();
            if let Some(first) = events.left.first() {
                return Some((first.anchor, events));
            }
        }
    }
}

/// The events of a group.
#[derive(Clone)]
pub struct RowEvents<'a> {
    rows: &'a BatchRows,
    reader: RowReader<'a>,
    left: &'a [BatchRow],
}

impl RowEvents<'_> {
    fn skip_stored(&mut self) {
        while let Some((_, rest)) = self.left.split_first().filter(|(row, _)| !row.arrives) {
            self.left = rest;
        }
    }
}

impl<'a> Iterator for RowEvents<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        self.skip_stored();
        let (row, mut rest) = self.left.split_first()?;
        let event = self.reader.event(row, &[]);
        // Beside the event, which is not to be changed where it lies: it would be copied for that, each time.
        let mut profile = event.profile;
        // Rows of one event follow on each other, as they were written and as they count, for each part of segments and traits.
        while let Some((next, more)) = rest.split_first().filter(|(next, _)| self.rows.same(row, next)) {
            if next.arrives {
                profile = profile.max(self.rows.profile(next));
            }
            rest = more;
        }
        self.left = rest;
        Some(Event { profile, ..event })
    }
}
