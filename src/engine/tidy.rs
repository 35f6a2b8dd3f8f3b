//! Merging before anybody waits for it: what the collector does when it begins, and after each commit.

use crate::engine::Engine;
use crate::model::error::Result;

impl Engine {
    /// Merges what the next commit would begin with merging, so that its events need not wait for that: after a large replay it may be a
    /// tenth of the store. `early` merges what would be due a few commits later, too.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) fn tidy(&mut self, early: bool) -> Result<()> {
        let before = self.store.generation();
        self.store.tidy(early)?;
        if self.store.generation() != before {
            // The runs that were merged go with the commit after next.
            self.resolver.publish_events(self.store.events());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Engine, Replay};

    /// Replays so many logs of an event each; says how many runs of events there are then.
    fn replayed(engine: &mut Engine, logs: std::ops::Range<usize>) -> usize {
        for at in logs {
            let line = format!(r#"{{"timestamp":{},"user":{{"identities":{{"sessionId":"s{at}"}}}}}}"#, 1_000 + at);
            engine.replay(Replay::new().reader(format!("log {at}"), line.as_bytes())).unwrap();
        }
        runs(engine)
    }

    fn runs(engine: &Engine) -> usize {
        let runs = engine.store.events().runs;
        assert_eq!(engine.resolver.view().stored_events().runs, runs, "what is read is what is there");
        runs.len()
    }

    #[test]
    fn what_the_next_commit_would_merge_is_merged_before() {
        let mut engine = Engine::in_memory();
        assert_eq!(replayed(&mut engine, 0..7), 7);
        let generation = engine.generation();
        engine.tidy(false).unwrap();
        assert_eq!((runs(&engine), engine.generation()), (7, generation), "nothing is due");
        assert_eq!(replayed(&mut engine, 7..8), 8);
        engine.tidy(false).unwrap();
        assert_eq!(runs(&engine), 1);
        assert_eq!(replayed(&mut engine, 8..13), 6);
        engine.tidy(true).unwrap();
        assert_eq!(runs(&engine), 3, "and early what would be soon");
        assert_eq!(replayed(&mut engine, 13..14), 4);
        let verified = engine.verify().unwrap();
        assert!(verified.is_sound() && verified.events == 14, "{verified:?}");
    }
}
