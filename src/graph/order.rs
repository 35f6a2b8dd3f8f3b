//! The keys of links, and links sorted by them.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::graph::links::LinkId;
use crate::model::identity::IdentityId;
use crate::model::time::Time;

/// Links that are sorted at once, as a cache holds them: to share fewer among threads costs more than it saves. Few in tests, so that there are pieces.
const A_PIECE: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Pieces at most: each is looked at for each stretch.
const MOST_PIECES: usize = 1 << 10;

/// Links of each of the pieces into which so many are cut.
pub(super) fn piece_size(links: usize) -> usize {
    links.div_ceil(MOST_PIECES).max(A_PIECE)
}

/// Of so many links of a piece one tells how the times of all lie.
const A_SAMPLE: usize = if cfg!(test) { 2 } else { 1 << 11 };

/// Links of a stretch, about: two of them fit a cache, and a thread that sleeps is not woken for fewer.
const A_STRETCH: usize = 8 * A_SAMPLE;

/// A link with its first co-occurrence, which decides nearly every comparison without a look at the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkKey {
    pub(super) first: Time,
    pub(super) link: LinkId,
}

/// A link that is to be taken, with its ends beside it: a look at each link would cost more than the sort.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) key: LinkKey,
    pub(super) lower: IdentityId,
    pub(super) higher: IdentityId,
}

/// `links` in the order of `compare`, which looks at the first co-occurrence first.
///
/// Pieces of them are sorted on all cores of the current rayon pool. Where they are in order it is one pass over them.
pub(super) fn sorted(mut links: Vec<Due>, compare: impl Fn(&Due, &Due) -> Ordering + Sync) -> Vec<Due> {
    if links.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return links;
    }
    if links.len() <= A_PIECE {
        sort(&mut links, compare);
        return links;
    }
    let size = piece_size(links.len());
    links.par_chunks_mut(size).for_each(|piece| sort(piece, &compare));
    let mut all = Vec::with_capacity(links.len());
    each_stretch(links.chunks(size).collect(), compare, |_| (), |stretch| all.extend_from_slice(stretch));
    all
}

/// Sorts links, as [`sorted`] does. The times are compared alone at first, as they nearly always decide.
pub(super) fn sort(links: &mut [Due], compare: impl Fn(&Due, &Due) -> Ordering) {
    links.sort_unstable_by_key(|due| due.key.first);
    for same in links.chunk_by_mut(|a, b| a.key.first == b.key.first).filter(|same| same.len() > 1) {
        same.sort_unstable_by(&compare);
    }
}

/// Hands the links of `pieces`, each of which is sorted, to `take` in the order of `compare`, a stretch at a time, and then what it leaves of them to
/// `put`. While one stretch is taken, another thread of the current rayon pool puts the one before and gathers the next.
///
/// Where a stretch ends follows from samples of all pieces, so however the times lie, stretches have about as many links.
pub(super) fn each_stretch(
    mut pieces: Vec<&[Due]>,
    compare: impl Fn(&Due, &Due) -> Ordering + Sync,
    mut take: impl FnMut(&mut Vec<Due>) + Send,
    mut put: impl FnMut(&[Due]) + Send,
) {
    let mut samples: Vec<Due> = pieces.iter().flat_map(|piece| piece.iter().step_by(A_SAMPLE)).copied().collect();
    sort(&mut samples, &compare);
    let ends = samples.iter().step_by(A_STRETCH / A_SAMPLE).map(Some).chain([None]);
    let mut gather = |end: Option<&Due>, stretch: &mut Vec<Due>| {
        stretch.clear();
        let is_before = |due: &Due| end.is_none_or(|end| compare(due, end).is_lt());
        let mut parts = 0;
        for rest in pieces.iter_mut().filter(|rest| rest.first().is_some_and(is_before)) {
            let (part, after) = rest.split_at(rest.partition_point(is_before));
            stretch.extend_from_slice(part);
            *rest = after;
            parts += 1;
        }
        if parts > 1 {
            // It merges what is sorted.
            stretch.sort_by(&compare);
        }
    };
    let [mut taken, mut stretch, mut next] = [const { Vec::new() }; 3];
    for end in ends {
        let around = || {
            put(&taken);
            gather(end, &mut next);
        };
        rayon::join(|| take(&mut stretch), around);
        (taken, stretch, next) = (stretch, next, taken);
    }
    put(&taken);
    take(&mut stretch);
    put(&stretch);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_key(a: &Due, b: &Due) -> Ordering {
        (a.key.first, a.higher, a.lower).cmp(&(b.key.first, b.higher, b.lower))
    }

    /// Links whose times `first` gives, with ends of their own.
    fn links(count: usize, first: impl Fn(u64) -> i64) -> Vec<Due> {
        let mut number = 1_u64;
        let mut random = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            number >> 20
        };
        let due = |at| Due {
            key: LinkKey { first: Time::from_micros(first(random())), link: LinkId(at as u32) },
            lower: IdentityId(random() as u32),
            higher: IdentityId(random() as u32),
        };
        (0..count).map(due).collect()
    }

    #[test]
    fn sorted_as_by_a_plain_sort() {
        type TimeOf = fn(u64) -> i64;
        let times: [(&str, TimeOf); 5] = [
            ("all at once", |_| 7),
            ("few times", |random| (random % 3) as i64),
            ("a year", |random| (random % 31_536_000) as i64),
            (
                "the ends of the calendar",
                |random| if random % 2 == 0 { i64::MIN } else { i64::MAX - (random % 5) as i64 },
            ),
            ("one far away", |random| if random % 5_000 == 0 { i64::MAX } else { (random % 100) as i64 }),
        ];
        for (name, first) in times {
            for count in [0, 1, A_PIECE, A_PIECE + 1, A_STRETCH, 1_000 * A_STRETCH] {
                let given = links(count, first);
                let mut expected = given.clone();
                expected.sort_by(by_key);
                let ids = |links: &[Due]| links.iter().map(|due| due.key.link).collect::<Vec<_>>();
                let found = sorted(given, by_key);
                assert_eq!(ids(&found), ids(&expected), "{count} of {name}");
                assert_eq!(ids(&sorted(found, by_key)), ids(&expected), "once more");
            }
        }
    }
}
