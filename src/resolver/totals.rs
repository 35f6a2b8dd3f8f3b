//! Counts and digest of everything stored, counted from the beginning.

use rayon::prelude::*;

use crate::model::digest::IdentityHash;
use crate::model::error::Result;
use crate::model::identity::IdentityId;
use crate::model::totals::Totals;
use crate::resolver::attribution::AnchorRule;
use crate::resolver::count::{IdentityHashes, TotalsCounter};
use crate::resolver::lookup::Lookup;
use crate::resolver::view::View;

/// Identities that one task of the tally takes: some ten thousand hashes, well above the cost of handing out a task.
pub(super) const IDENTITIES_A_TASK: usize = 1 << 14;

/// Counts everything, in parallel pieces that add up.
pub fn tally(view: &View) -> Result<Totals> {
    let view = &view.knowing_met();
    let graph = view.graph();
    let count = graph.identities().len() as u32;
    let hashes: Vec<IdentityHash> = (0..count).into_par_iter().map(|id| graph.hash(IdentityId(id))).collect();
    let identities = (0..hashes.len().div_ceil(IDENTITIES_A_TASK))
        .into_par_iter()
        .map(|task| tally_identities(view, &hashes, task * IDENTITIES_A_TASK))
        .try_reduce(Totals::default, |a, b| Ok(a.with(b)))?;
    let events = view
        .pieces()
        .into_par_iter()
        .map(|piece| tally_events(view, &hashes, piece))
        .try_reduce(Totals::default, |a, b| Ok(a.with(b)))?;
    Ok(identities.with(events))
}

fn tally_identities(view: &View, hashes: &[IdentityHash], from: usize) -> Result<Totals> {
    let graph = view.graph();
    let mut counter = TotalsCounter::new(IdentityHashes::of_last(graph, hashes));
    let mut lookup = Lookup::new(view);
    let to = hashes.len().min(from + IDENTITIES_A_TASK);
    let ids = (from..to).map(|index| IdentityId(index as u32));
    for id in ids.filter(|&id| graph.is_known(id)) {
        counter.identity(id, lookup.standing(id)?.person);
        counter.totals.shared_sessions += u64::from(graph.is_session(id) && view.met(id).several());
    }
    Ok(counter.totals)
}

fn tally_events(view: &View, hashes: &[IdentityHash], anchors: std::ops::Range<u32>) -> Result<Totals> {
    let until = view.reading().until();
    let mut counter = TotalsCounter::new(IdentityHashes::of_last(view.graph(), hashes));
    let mut scan = view.stored_events().scan(anchors);
    while let Some(group) = scan.next()? {
        let rule = AnchorRule::of_group(view, &group);
        counter.events(group.anchor(), &rule, group.events().take_while(|event| event.time <= until));
    }
    Ok(counter.totals)
}
