//! Going back: the store as it was after an earlier commit, from what was overwritten since.

use hashbrown::HashMap;

use crate::model::digest::EventHash;
use crate::model::history::Sequence;
use crate::model::identity::IdentityId;
use crate::model::link::{Link, Seen, Unlink};
use crate::model::time::Time;
use crate::store::backend::Backend;
use crate::store::error::StoreError;
use crate::store::kinds::history::{Overwrite, Past};
use crate::store::load::{self, Loaded};
use crate::store::manifest::Manifest;
use crate::store::open::Store;
use crate::store::table::TableRow;

impl Store {
    /// Takes out of `loaded`, which [`load`](Self::load) gave, what was committed after `sequence`: when identities were first seen,
    /// the first co-occurrences of links, and decisions are as they were. Counts and last times are not.
    ///
    /// Costs a read of what was overwritten since.
    ///
    /// # Errors
    /// As [`StoredFeed::changes`](crate::store::feed::StoredFeed::changes), and when a block is damaged.
    pub fn go_back(&self, sequence: Sequence, loaded: &mut Loaded) -> Result<(), StoreError> {
        self.feed().check(sequence)?;
        let (backend, held) = (self.backend(), self.ledger.manifest());
        let kept = generation_of(backend, held, sequence)?;
        let mut identities = 0;
        // The oldest row of each that was overwritten since counts: it is what was known at `kept`.
        let (mut seen, mut links, mut unlinks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut rows = load::table::<Past>(backend, held);
        while let Some(row) = rows.next()? {
            match row.what {
                Overwrite::Commit { identities: held, .. } if row.generation <= kept => identities = held,
                _ if row.generation <= kept => {}
                Overwrite::Commit { .. } => {}
                Overwrite::Seen(id, first) => drop(seen.entry(id).or_insert(first)),
                Overwrite::Link(lower, higher, first) => drop(links.entry((lower, higher)).or_insert(first)),
                Overwrite::Unlink(unlink) => drop(unlinks.entry(unlink.key()).or_insert(!unlink.stands)),
            }
        }
        for (at, known) in loaded.seen.iter_mut().enumerate() {
            let first = if at < identities as usize { seen.get(&IdentityId(at as u32)).copied() } else { Some(None) };
            match first {
                Some(None) => *known = Seen::NEVER,
                Some(Some(first)) => *known = Seen { first, last: known.last.max(first), ..*known },
                None => {}
            }
        }
        let went = |link: &Link| links.get(&link.key()) == Some(&None);
        loaded.links.retain(|link| !went(link));
        for link in &mut loaded.links {
            if let Some(Some(first)) = links.remove(&link.key()) {
                link.first = first;
                link.last = link.last.max(first);
            }
        }
        // What is left was retracted since. Its evidence and its count are gone; who is who does not depend on them.
        loaded.links.extend(links.into_iter().filter_map(|((lower, higher), first)| Some(bare(lower, higher, first?))));
        loaded.unlinks.retain(|unlink| unlinks.get(&unlink.key()) != Some(&false));
        let stood = unlinks.into_iter().filter(|&(_, stands)| stands);
        loaded.unlinks.extend(stood.map(|((lower, higher), stands)| Unlink { lower, higher, stands }));
        Ok(())
    }
}

/// The commit after which a store that holds `held` was as `sequence` says: the one that wrote the record, or the last one after
/// it that wrote no record. 0 is before the first.
pub(super) fn generation_of(backend: &dyn Backend, held: &Manifest, sequence: Sequence) -> Result<u64, StoreError> {
    let mut found = if sequence.0 == 0 { Some((sequence, 0)) } else { None };
    let mut rows = load::table::<Past>(backend, held);
    while let Some(row) = rows.next()? {
        let Overwrite::Commit { sequence: last, .. } = row.what else { continue };
        match found {
            Some((known, _)) if last > known => break,
            _ if last >= sequence => found = Some((last, row.generation)),
            _ => {}
        }
    }
    Ok(found.map_or(held.generation, |found| found.1))
}

/// A link of which no more is known than when it was first seen.
fn bare(lower: IdentityId, higher: IdentityId, first: Time) -> Link {
    let witness = crate::model::link::Witness { event: EventHash(0), anchor: lower };
    Link { lower, higher, first, witness, last: first, count: 0 }
}
