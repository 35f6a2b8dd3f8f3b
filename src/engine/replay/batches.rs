//! How many events the next batch has.
//!
//! A log in order needs none of what is stored, but a log in no order has events of nearly all sessions in every batch, each of which is looked for
//! among those of its session: then a batch reads every block that is stored by then, and half as many batches read half as much. So a batch
//! is as large as it may be where it shows no order itself: where each of its chunks spans the time of all of them. Where only the
//! batches are in no order, as those of many sorted files, they grow while most of their events are new and lie between those of their sessions.

use crate::engine::batch::Batch;
use crate::engine::commit::Committed;
use crate::model::time::Time;

/// Chunks of a batch that tell of its order, at least.
const TELLING_CHUNKS: i128 = 8;

/// Repeats within chunks that count as an event of a batch, where nobody says how many events that is. They take no room in it, but what was
/// read is read again after a kill where no commit says so.
const REPEATS_AN_EVENT: u64 = 8;

/// How many events batches have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchSizes {
    least: usize,
    most: usize,
    now: usize,
    gathered: GatheredSpans,
}

/// The time that the chunks of a batch span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct GatheredSpans {
    chunks: i128,
    /// Of each chunk by itself, in microseconds, added up.
    apart: i128,
    /// Of all of them.
    all: Option<(Time, Time)>,
}

/// Microseconds from the first to the last of two times.
fn microseconds((first, last): (Time, Time)) -> i128 {
    i128::from(last.as_micros()) - i128::from(first.as_micros())
}

impl GatheredSpans {
    /// Whether a chunk spans more than half the time of all, on average.
    fn is_in_no_order(self) -> bool {
        let all = self.all.map_or(0, microseconds);
        self.chunks >= TELLING_CHUNKS && 2 * self.apart > self.chunks * all
    }
}

impl BatchSizes {
    /// Batches of so many events.
    pub(super) fn all_of(events: usize) -> Self {
        Self::growing(events, events)
    }

    /// Batches of `least` events, or up to `most` of a log in no order.
    pub(super) fn growing(least: usize, most: usize) -> Self {
        Self { least: least.max(1), most: most.max(1), now: least.max(1), gathered: GatheredSpans::default() }
    }

    /// Events of the batch that is being gathered.
    pub(super) fn now(self) -> usize {
        if self.gathered.is_in_no_order() { self.most } else { self.now }
    }

    /// Whether a batch has as many.
    pub(super) fn are_reached(self, batch: &Batch) -> bool {
        batch.is_full(self.now(), if self.least == self.most { 1 } else { REPEATS_AN_EVENT })
    }

    /// Takes account of a chunk that was gathered, by the times of its first and its last event.
    pub(super) fn gathered(&mut self, span: Option<(Time, Time)>) {
        let Some((first, last)) = span else { return };
        let GatheredSpans { chunks, apart, all } = &mut self.gathered;
        *chunks += 1;
        *apart += microseconds((first, last));
        *all = Some(all.map_or((first, last), |(least, most)| (least.min(first), most.max(last))));
    }

    /// Takes account of a batch that was committed.
    pub(super) fn committed(&mut self, batch: &Committed) {
        let is_in_no_order = 2 * batch.between > batch.accepted + batch.duplicate;
        self.now = if is_in_no_order { self.now.saturating_mul(2).min(self.most) } else { self.least };
        self.gathered = GatheredSpans::default();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::replay::job::Replay;
    use crate::model::digest::Digest;

    /// Files of fifty events each, as many of each of ten sessions; a chunk is never of two files.
    fn files(folder: &std::path::Path, count: u64, time: impl Fn(u64) -> u64) {
        for file in 0..count {
            let line = |at: u64| {
                let (session, time) = (at % 10, time(50 * file + at));
                format!("{{\"timestamp\":{time},\"user\":{{\"identities\":{{\"sessionId\":\"s{session}\"}}}}}}\n")
            };
            let text: String = (0..50).map(line).collect();
            fs::write(folder.join(format!("{file:03}.log")), text).unwrap();
        }
    }

    /// How many commits there are, the last of which notes that the last file ends; and the digest of what is stored.
    fn replayed(batches: BatchSizes, time: impl Fn(u64) -> u64) -> (usize, Digest) {
        let folder = tempfile::tempdir().unwrap();
        files(folder.path(), 31, time);
        let mut engine = Engine::in_memory();
        let summary = engine.replay(Replay { batches, ..Replay::of([folder.path()]) }).unwrap();
        (engine.commits().count(), summary.totals.digest)
    }

    #[test]
    fn batches_of_a_log_in_no_order_grow_and_others_do_not() {
        let in_order = |at| 1_000 * at;
        // Most events lie among those of the files before.
        let in_no_order = |at: u64| 1_000 * (at * 7_919 % 1_559);
        let alike = replayed(BatchSizes::all_of(50), in_no_order);
        assert_eq!(alike.0, 32);
        assert_eq!(replayed(BatchSizes::growing(50, 400), in_order).0, 32);
        // One file, one more that tells; two, four, and eight three times, of which the last lacks one.
        assert_eq!(replayed(BatchSizes::growing(50, 400), in_no_order), (7, alike.1));
    }

    #[test]
    fn a_batch_whose_chunks_span_all_of_its_time_is_as_large_as_it_may_be() {
        let sizes = BatchSizes::growing(500, 2_000);
        let in_no_order = |at: u64| 1_000 * (at * 7_919 % 1_559);
        let (commits, digest) = replayed(sizes, in_no_order);
        assert_eq!((commits, replayed(BatchSizes::all_of(500), in_no_order)), (1, (4, digest)));
        assert_eq!(replayed(sizes, |at| 1_000 * at).0, 4);
        assert_eq!(replayed(sizes, |at| 1_000 * (2_000 - at)).0, 4, "backwards");
        // A fifth of the lines come four files late.
        assert_eq!(replayed(sizes, |at| 1_000 * (at + 1_000 - if at % 5 == 0 { 200 } else { 0 })).0, 4);
        let sizes_after = |chunks: &[(i64, i64)]| {
            let mut sizes = sizes;
            for &(first, last) in chunks {
                sizes.gathered(Some((Time::from_micros(first), Time::from_micros(last))));
            }
            sizes.now()
        };
        assert_eq!([7, 8].map(|chunks| sizes_after(&vec![(0, 9); chunks])), [500, 2_000], "too few to tell");
        assert_eq!(sizes_after(&[(7, 7); 20]), 500, "all at once");
        assert_eq!(sizes_after(&[(i64::MIN, i64::MAX); 20]), 2_000);
        let with_one_far_away = [[(0, 9); 20].as_slice(), &[(0, 1_000)]].concat();
        assert_eq!(sizes_after(&with_one_far_away), 500);
    }

    /// Events of four a session, one after the other, with ids so long that a batch of a thousand is many blocks. Some sessions log in long
    /// afterwards, and a few events come late.
    fn long(events: u64) -> String {
        let line = |at: u64| {
            let (session, time) = match at % 100 {
                97 => (at / 8, 500 * at),
                98 => (at / 5, 1_000 * at),
                _ => (at / 4, 1_000 * at),
            };
            let customer = if at % 100 == 98 { r#","ecommerceId":"c""# } else { "" };
            let identities = format!(r#"{{"sessionId":"s{session}"{customer}}}"#);
            format!("{{\"timestamp\":{time},\"id\":\"{at:0>1000}\",\"user\":{{\"identities\":{identities}}}}}\n")
        };
        (0..events).map(line).collect()
    }

    #[test]
    fn runs_that_lie_apart_answer_as_one_does() {
        let log = long(24_000);
        let replayed = |batches: usize| {
            let mut engine = Engine::in_memory();
            for part in log.split_inclusive('\n').collect::<Vec<_>>().chunks(24_000 / batches) {
                engine.ingest("log", part.concat().as_bytes()).unwrap();
            }
            engine
        };
        let (one, mut many) = (replayed(1), replayed(20));
        assert_eq!((one.store.events().runs.len(), many.store.events().runs.len()), (1, 20), "none was merged");
        let told = |engine: &Engine| {
            let view = engine.resolver().view();
            let events = |session: u64| view.events("sessionId", &format!("s{session}")).unwrap().unwrap();
            let events: Vec<_> = (0..6_000).step_by(7).map(events).collect();
            let rows: Vec<_> = view.sessions().unwrap().iter().map(|row| serde_json::to_string(row).unwrap()).collect();
            (view.totals().unwrap(), serde_json::to_string(&events).unwrap(), rows)
        };
        assert_eq!(told(&one), told(&many));
        assert!(many.verify().unwrap().is_sound());
        let before = told(&one).0;
        let known = many.ingest("again", log.as_bytes()).unwrap().events.duplicate;
        assert_eq!((known, many.resolver().view().totals().unwrap()), (24_000, before), "all of it is known");
    }

    #[test]
    fn batches_shrink_once_a_log_is_in_order_again() {
        let mut sizes = BatchSizes::growing(100, 350);
        let mut after = |accepted, duplicate, between| {
            sizes.committed(&Committed { accepted, duplicate, between, room: crate::engine::batch::Room::new() });
            sizes.now()
        };
        assert_eq!(
            (after(100, 0, 50), after(100, 0, 51), after(200, 0, 200), after(350, 0, 350)),
            (100, 200, 350, 350)
        );
        // What was delivered before is looked for in its own time alone.
        assert_eq!((after(10, 340, 10), after(usize::MAX as u64 / 4, 0, 0)), (100, 100));
    }
}
