//! The threads of replays, kept from one to the next.

use crate::ingest::pipeline::{PipelineError, PipelineThreads};

/// The threads that the last replay worked with.
///
/// A follower replays a few events three times a second. With new threads each time all memory that they had taken stayed behind: on
/// Linux, where threads allocate from pools of their own, in whichever pool the next one happened upon.
#[derive(Debug, Default)]
pub struct KeptThreads {
    /// How many were asked for, and they.
    kept: Option<(Option<usize>, PipelineThreads)>,
}

impl KeptThreads {
    /// So many threads, or as many as there are cores: those of the last time, if it was the same number then.
    ///
    /// # Errors
    /// When the system starts no more.
    pub fn of(&mut self, count: Option<usize>) -> Result<&PipelineThreads, PipelineError> {
        let kept = self.kept.take().filter(|(asked, _)| *asked == count);
        let kept = kept.map_or_else(|| Ok((count, PipelineThreads::start(count)?)), Ok)?;
        Ok(&self.kept.insert(kept).1)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, Replay};

    #[test]
    fn threads_stay_from_one_replay_to_the_next_of_as_many() {
        let mut engine = Engine::in_memory();
        let mut replayed = |threads: usize| {
            let source = Replay::new().reader("log", &b"{}\n"[..]).threads(threads);
            engine.replay(source).unwrap();
            engine.threads.kept.as_ref().unwrap().1.workers.broadcast(|_| std::thread::current().id())
        };
        let two = replayed(2);
        assert_eq!(two.len(), 2);
        assert_eq!(replayed(2), two);
        assert_eq!(replayed(3).len(), 3);
    }
}
