//! The pipeline with readers and workers that are slow, stop, fail and panic: nothing out of order, nobody waits for ever.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::ingest::chunk::CHUNK_BYTES;
use crate::ingest::pipeline::{
    self, BUFFERS_PER_THREAD, BufferedChunk, PipelineError, PipelineThreads, STEPS_UNDER_WAY, Step,
};
use crate::ingest::reader::SourceReader;
use crate::model::limits::MAX_THREADS;

/// Ends the test, whatever hangs.
fn within<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(what()));
    receive.recv_timeout(Duration::from_secs(60)).expect("nothing hangs, and nothing panics")
}

/// A source of so many chunks, whose bytes are all `mark` but for line ends; then, perhaps, an error.
struct Marked {
    mark: u8,
    left: usize,
    fails: bool,
    breaks: bool,
}

impl Read for Marked {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        assert!(!self.breaks || self.left > 0, "a reader of the caller's that panics");
        if self.left == 0 && self.fails {
            return Err(io::Error::other("the disk has failed"));
        }
        let bytes = room.len().min(self.left);
        room[..bytes].fill(self.mark);
        room[..bytes].iter_mut().step_by(64).for_each(|byte| *byte = b'\n');
        self.left -= bytes;
        Ok(bytes)
    }
}

fn marked(mark: u8, chunks: usize) -> Marked {
    Marked { mark, left: (chunks * CHUNK_BYTES).saturating_sub(CHUNK_BYTES / 2), fails: false, breaks: false }
}

fn source(marked: Marked) -> Result<SourceReader<'static>, &'static str> {
    Ok(SourceReader::stream((marked.mark as char).to_string(), marked).expect("readable"))
}

fn first_letter(chunk: BufferedChunk, _: Option<u8>) -> u8 {
    *chunk.bytes.iter().find(|byte| byte.is_ascii_alphabetic()).expect("a letter")
}

/// What a pipeline over `sources` tells, a letter a step.
fn told<S: Send>(
    sources: Vec<Result<SourceReader<'static>, S>>,
    work: impl Fn(BufferedChunk, Option<u8>) -> u8 + Sync,
) -> Result<String, PipelineError> {
    let pool = PipelineThreads::start(Some(3)).expect("three threads");
    pipeline::run(&pool, sources.into_iter(), None, work, |steps| {
        let mut told = String::new();
        while let Some(step) = steps.take()? {
            told.push(match step {
                Step::Skipped(_) => '-',
                Step::Start(start) => start.name.chars().next().expect("a name"),
                Step::Chunk(made) => {
                    steps.give_back(made);
                    made.to_ascii_uppercase() as char
                }
                Step::End { error: None, .. } => '.',
                Step::End { error: Some(_), .. } => '!',
            });
        }
        assert!(!steps.stopped());
        Ok(told)
    })
}

#[test]
fn sources_and_chunks_come_in_order_whichever_is_done_first() {
    let slow_at_first = |chunk: BufferedChunk, spare: Option<u8>| {
        if chunk.start == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
        first_letter(chunk, spare)
    };
    let broken = Marked { fails: true, ..marked(b'c', 2) };
    let sources = vec![source(marked(b'a', 3)), Err("nothing new"), source(marked(b'b', 0)), source(broken)];
    let sources = sources.into_iter().chain([source(marked(b'd', 1))]).collect();
    assert_eq!(within(move || told(sources, slow_at_first)).expect("all is well"), "aAAA.-b.cCC!dD.");
    assert_eq!(within(|| told::<()>(Vec::new(), first_letter)).expect("all is well"), "");
}

#[test]
fn a_worker_or_a_reader_that_panics_is_an_error() {
    let broken = |chunk: BufferedChunk, spare: Option<u8>| {
        assert!(chunk.start == 0, "a worker that panics");
        first_letter(chunk, spare)
    };
    let told_by = move || told(vec![source(marked(b'a', 9))], broken);
    assert!(matches!(within(told_by), Err(PipelineError::Thread)));
    let breaks = || vec![source(Marked { breaks: true, ..marked(b'a', 2) })];
    assert!(matches!(within(move || told(breaks(), first_letter)), Err(PipelineError::Thread)));
}

#[test]
fn who_takes_no_more_waits_for_no_one() {
    let taken = within(|| {
        let pool = PipelineThreads::start(Some(2)).expect("two threads");
        let sources = (b'a'..=b'z').map(|mark| source(marked(mark, 20))).collect::<Vec<_>>().into_iter();
        pipeline::run(&pool, sources, None, first_letter, |steps| {
            let mut chunks = 0;
            while let Ok(Some(step)) = steps.take() {
                chunks += usize::from(matches!(step, Step::Chunk(_)));
                if chunks == 5 {
                    return Err::<(), _>(chunks);
                }
            }
            Ok(())
        })
    });
    assert_eq!(taken, Err(5));
}

/// What is made of a chunk may hold it until it is taken: reading waits then, and goes on. Nobody hangs who takes no more.
#[test]
fn a_chunk_that_is_kept_is_given_back_in_the_end() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    let keep = |chunk: BufferedChunk, _: Option<BufferedChunk>| {
        READ.fetch_add(1, Ordering::SeqCst);
        chunk
    };
    let taken = move |most: usize| {
        READ.store(0, Ordering::SeqCst);
        let pool = PipelineThreads::start(Some(2)).expect("two threads");
        let sources = vec![source(marked(b'a', 20)), source(marked(b'b', 20))].into_iter();
        pipeline::run(&pool, sources, None, keep, |steps| {
            let mut taken = Vec::new();
            while let Some(step) = steps.take().expect("all is well") {
                let Step::Chunk(chunk) = step else { continue };
                assert!(READ.load(Ordering::SeqCst) <= taken.len() + 2 * BUFFERS_PER_THREAD, "each has a buffer");
                taken.push((chunk.bytes[1], chunk.start));
                if taken.len() == most {
                    break;
                }
            }
            taken
        })
    };
    let all = within(move || taken(usize::MAX));
    assert!(all.len() == 40 && all.is_sorted(), "{all:?}");
    assert_eq!(within(move || taken(7)), all[..7]);
}

#[test]
fn no_more_is_under_way_than_may_be() {
    static READ: AtomicUsize = AtomicUsize::new(0);
    static SPARE: AtomicUsize = AtomicUsize::new(0);
    let work = |chunk: BufferedChunk, spare: Option<u8>| {
        READ.fetch_add(1, Ordering::SeqCst);
        SPARE.fetch_add(usize::from(spare.is_some()), Ordering::SeqCst);
        first_letter(chunk, spare)
    };
    within(move || {
        let (pool, threads) = (PipelineThreads::start(Some(2)).expect("two threads"), 2);
        let sources = vec![source(marked(b'a', 300))].into_iter();
        pipeline::run(&pool, sources, None, work, |steps| {
            let mut chunks = 0;
            while let Some(step) = steps.take().expect("all is well") {
                let Step::Chunk(made) = step else { continue };
                chunks += 1;
                let most = STEPS_UNDER_WAY + threads * BUFFERS_PER_THREAD;
                let ahead = || READ.load(Ordering::SeqCst) - chunks;
                // A commit, say: reading and working go on.
                while [50, 150].contains(&chunks) && ahead() < STEPS_UNDER_WAY {
                    std::thread::sleep(Duration::from_millis(1));
                }
                assert!(ahead() <= most, "{} chunks ahead, at most {most}", ahead());
                steps.give_back(made);
            }
        });
    });
    let (read, spare) = (READ.load(Ordering::SeqCst), SPARE.load(Ordering::SeqCst));
    assert!(spare > read / 2, "{spare} of {read} in room that was given back");
}

#[test]
fn stopped_it_gives_what_it_has_read() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let (read, taken) = within(|| {
        let pool = PipelineThreads::start(Some(2)).expect("two threads");
        let read = AtomicUsize::new(0);
        let work = |chunk: BufferedChunk, spare: Option<u8>| {
            read.fetch_add(1, Ordering::SeqCst);
            first_letter(chunk, spare)
        };
        let sources = vec![source(marked(b'a', 200)), source(marked(b'b', 200))].into_iter();
        let taken = pipeline::run(&pool, sources, Some(&STOP), work, |steps| {
            let mut chunks = 0;
            while let Some(step) = steps.take().expect("all is well") {
                assert!(!matches!(step, Step::End { .. }), "it was stopped before");
                chunks += usize::from(matches!(step, Step::Chunk(_)));
                STOP.store(chunks >= 3, Ordering::SeqCst);
            }
            assert!(steps.stopped());
            chunks
        });
        (read.into_inner(), taken)
    });
    assert!(read == taken && (3..200).contains(&taken), "{taken} taken of {read}");
}

#[test]
fn no_more_threads_are_started_than_any_machine_has_cores() {
    let threads = |asked| PipelineThreads::start(Some(asked)).unwrap().workers.current_num_threads();
    assert_eq!([0, 3, usize::MAX].map(threads), [1, 3, MAX_THREADS]);
}
