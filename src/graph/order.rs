//! The keys of links, and links sorted by them.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::graph::links::LinkId;
use crate::model::identity::IdentityId;
use crate::model::time::Time;

/// Fewer links than this are sorted at once: buckets would cost more than they save.
const FEW: usize = 1 << 14;

/// Links of a bucket: a cache holds them while they are sorted.
const A_BUCKET: usize = 1 << 11;

/// Buckets at most: each is written to at a place of its own, and so many pages are at hand.
const MAX_BUCKETS: usize = 1 << 12;

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
/// Many are put into buckets by that, which are then sorted on all cores of the current rayon pool. Where they are in order it is one pass over them.
pub(super) fn sorted(mut links: Vec<Due>, compare: impl Fn(&Due, &Due) -> Ordering + Sync) -> Vec<Due> {
    if links.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return links;
    }
    if links.len() < FEW {
        links.sort_unstable_by(compare);
        return links;
    }
    let (mut all, sizes) = in_buckets(&links);
    drop(links);
    let mut rest = &mut all[..];
    let mut buckets: Vec<&mut [Due]> = sizes.into_iter().filter_map(|size| rest.split_off_mut(..size)).collect();
    buckets.par_iter_mut().for_each(|bucket| bucket.sort_unstable_by(&compare));
    all
}

/// The same links, bucket by bucket in the order of time, and how many are in each.
fn in_buckets(links: &[Due]) -> (Vec<Due>, Vec<usize>) {
    let first = |due: &Due| due.key.first.as_micros();
    let least = links.iter().map(first).min().unwrap_or_default();
    let most = links.iter().map(first).max().unwrap_or_default();
    let wanted = (links.len() / A_BUCKET).clamp(1, MAX_BUCKETS) as u64;
    // Times may span all that 64 bits hold, so their differences have no sign.
    let width = most.abs_diff(least) / wanted + 1;
    let bucket = |due: &Due| (first(due).abs_diff(least) / width) as usize;
    let mut sizes = vec![0; wanted as usize];
    links.iter().for_each(|due| sizes[bucket(due)] += 1);
    let mut next: Vec<usize> = sizes.iter().scan(0, |end, size| Some(std::mem::replace(end, *end + size))).collect();
    let mut all = links.to_vec();
    for due in links {
        let place = &mut next[bucket(due)];
        all[*place] = *due;
        *place += 1;
    }
    (all, sizes)
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
            ("one far away", |random| if random % 50_000 == 0 { i64::MAX } else { (random % 100) as i64 }),
        ];
        for (name, first) in times {
            for count in [0, 1, FEW - 1, FEW, 3 * FEW] {
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
