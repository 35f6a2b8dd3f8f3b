//! How does a batch become durable? Replay and verification.

mod batch;
mod changes;
mod check;
mod commit;
mod consent;
mod count;
pub(crate) mod erase;
mod error;
mod facts;
mod history;
mod opening;
mod options;
mod people;
mod push;
mod quarantine;
mod reader;
mod recount;
mod replay;
mod source;
#[cfg(feature = "serve")]
mod tidy;
mod undo;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::engine::commit::Committer;
use crate::engine::commit::draft::Drafts;
use crate::engine::count::Decision;
use crate::engine::error::EngineError;
use crate::engine::facts::import::FactReader;
use crate::engine::replay::threads::KeptThreads;
use crate::model::activity::Activity;
use crate::model::counting::Limits;
use crate::model::history::Sequence;
use crate::model::identity::Identity;
use crate::model::namespace::SESSION;
use crate::model::settings::Settings;
use crate::model::source::Source;
use crate::resolver::feed::handle::LastFeed;
use crate::resolver::{Feed, Resolver};
use crate::store::Store;
use crate::store::backend::Backend;
use crate::store::error::StoreError;

pub use crate::model::error::{Error, ErrorKind, Result};
pub use check::loss::Repaired;
pub use check::verify::Verification;
pub use consent::{Consent, OptOutRow};
pub use erase::{Forget, Forgotten, TombstoneRow};
pub use facts::FactCounts;
pub use facts::import::Imported;
pub use history::CommitRow;
pub use options::Options;
pub use push::{Pushed, RejectedActivity};
pub use quarantine::CrowdedRow;
pub use reader::StoreReader;
pub use replay::job::Replay;
pub use replay::summary::{EventCounts, SourceCounts, Summary};
pub use undo::{Retract, Undone};

/// A store that is open for replay, and the people in it. There is one a store, in one process at a time; its [`Resolver`]s are many.
///
/// Dropping it closes the store as soon as whatever reads it is gone too (resolvers, views, feeds, and what they answered with that holds a view);
/// nothing waits to be written then.
pub struct Engine {
    store: Store,
    resolver: Resolver,
    feed: Arc<LastFeed>,
    drafts: Drafts,
    threads: KeptThreads,
}

impl Engine {
    /// Replays logs into the store. What it has read is durable when it returns, whether to the end or stopped;
    /// after an error, what the last commit held is. If it was a commit that failed, the engine answers on, but every further
    /// commit is refused until the store is opened again: only then is it known whether the failed one counts.
    ///
    /// # Errors
    /// When an input does not exist or the store cannot be written. A source that cannot be read to its end does not end
    /// the replay: [`Summary::failed`] names it.
    pub fn replay<'a>(&mut self, logs: impl Into<Replay<'a>>) -> Result<Summary> {
        let Self { store, resolver, feed, drafts, threads } = self;
        replay::run(Committer { store, resolver, feed, drafts }, logs.into(), threads)
    }

    /// Replays what `reader` gives, to its end, as the source `name`: [`Replay::reader`] without its options, which says what its
    /// position means.
    ///
    /// # Errors
    /// As [`replay`](Self::replay), or when the name is blank or too long. A reader that fails does not end it with an error:
    /// [`Summary::failed`] says so.
    pub fn ingest(&mut self, name: &str, reader: impl Read + Send) -> Result<Summary> {
        self.replay(Replay::new().reader(name, reader))
    }

    /// Takes activities of the source `source`, with its `position` behind them, in one commit: after a crash both are there or
    /// neither is. So a consumer that asks [`pushed`](Self::pushed) where to go on delivers each exactly once. `position` is
    /// the caller's own text (offsets, a cursor, a token), up to
    /// [`MAX_POSITION_BYTES`](crate::model::limits::MAX_POSITION_BYTES).
    ///
    /// The rules are those of a log: a rejected activity is reported by its index, and the others are taken all the same; one that
    /// is stored already is a duplicate. An activity is the event that a line with the same time, `id` and identities is; its time lies between 1970-01-01 and
    /// 2100-01-01.
    ///
    /// Durable when it returns. Costs a commit with its two syncs: push thousands at once. All of them are in memory until then.
    ///
    /// # Errors
    /// When the name is blank or too long, the position is too long, or the store cannot be written.
    pub fn push(
        &mut self,
        source: &str,
        activities: impl IntoIterator<Item = Activity>,
        position: &str,
    ) -> Result<Pushed> {
        let pushed = self.committer().push(source, activities, position)?;
        self.committer().conclude()?;
        Ok(pushed)
    }

    /// The position that came with the last [`push`](Self::push) of `source`; `None` where nothing was pushed, or it was taken back.
    pub fn pushed(&self, source: &str) -> Option<String> {
        self.source(source)?.pushed
    }

    /// A source by its name, with how far it was read, as of the last commit; `None` where it is unknown, or was taken back.
    pub fn source(&self, name: &str) -> Option<Source> {
        self.resolver.view().source(&self.store.barred().source_name(name)).cloned()
    }

    /// Lets the link of a session and a customer count as never seen: [`unlink_pair`](Self::unlink_pair) of the two.
    ///
    /// # Errors
    /// As [`unlink_pair`](Self::unlink_pair), or when no namespace is unique.
    pub fn unlink(&mut self, session: &str, customer: &str) -> Result<Undone> {
        let pair = self.login(session, customer)?;
        self.committer().unlink(&pair, true)
    }

    /// Takes an [`unlink`](Self::unlink) back: everything is as if it had never been.
    ///
    /// # Errors
    /// As [`unlink`](Self::unlink).
    pub fn relink(&mut self, session: &str, customer: &str) -> Result<Undone> {
        let pair = self.login(session, customer)?;
        self.committer().unlink(&pair, false)
    }

    /// Lets the link of two identities count as never seen, also where events to come carry both; those events themselves stay
    /// with the customer that they carry. Neither need be known yet, nor have they to have
    /// [met](crate::resolver::View::have_met). It may be [taken back](Self::relink_pair).
    ///
    /// ```
    /// # fn main() -> backstitch::Result<()> {
    /// # use backstitch::{Engine, Identity};
    /// # let mut engine = Engine::in_memory();
    /// engine.unlink_pair(&Identity::new("email", "info@shop.example"), &Identity::new("ecommerceId", "18278"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Durable when it returns. Costs what the two groups of the link cost to be rebuilt.
    ///
    /// # Errors
    /// When both are of one namespace, a namespace or a value cannot be one, or the store cannot be written.
    pub fn unlink_pair(&mut self, a: &Identity, b: &Identity) -> Result<Undone> {
        self.committer().unlink(&[a, b].map(Clone::clone), true)
    }

    /// What [`unlink_pair`](Self::unlink_pair) would do: how many events that carry no customer would go to somebody else, and the rows of how
    /// many sessions would change. Nothing changes. Costs the memory of another graph.
    ///
    /// # Errors
    /// As [`unlink_pair`](Self::unlink_pair).
    pub fn would_unlink(&mut self, a: &Identity, b: &Identity) -> Result<Undone> {
        self.committer().would_unlink(&[a, b].map(Clone::clone), true)
    }

    /// Takes an [`unlink_pair`](Self::unlink_pair) back: everything is as if it had never been.
    ///
    /// # Errors
    /// As [`unlink_pair`](Self::unlink_pair).
    pub fn relink_pair(&mut self, a: &Identity, b: &Identity) -> Result<Undone> {
        self.committer().unlink(&[a, b].map(Clone::clone), false)
    }

    /// Lets identities count as others: of each pair the first as the second, in every event that carries it, from the past and to
    /// come. All of them or, after an error, none. What was written stays as it is, so it may be [taken back](Self::rename_back).
    ///
    /// The store then answers as one whose logs have the other value in its place; two events that become one count once.
    /// Chains are followed to their end.
    ///
    /// ```
    /// # fn main() -> backstitch::Result<()> {
    /// # use backstitch::{Engine, Identity};
    /// let mut engine = Engine::in_memory();
    /// engine.replay(["fixtures/journeys.ndjson"])?;
    /// let customer = |value| Identity::new("ecommerceId", value);
    /// engine.rename([(customer("clara"), customer("clara-2"))])?;
    /// let people = engine.resolver();
    /// assert_eq!(people.customer_of("sess-family-tablet").as_deref(), Some("clara-2"));
    /// engine.rename_back([customer("clara")])?;
    /// assert_eq!(people.customer_of("sess-family-tablet").as_deref(), Some("clara"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Durable when it returns. Costs a few reads of all events, a write of the runs that held such events and of all links, and
    /// the memory of two more graphs.
    ///
    /// # Errors
    /// When the two of a pair are of two namespaces, it would make a circle, an identity counts as another already or is set aside, a
    /// value cannot be one, or the store cannot be read or written.
    pub fn rename(&mut self, pairs: impl IntoIterator<Item = (Identity, Identity)>) -> Result<Undone> {
        let pairs: Vec<(Identity, Identity)> = pairs.into_iter().collect();
        self.recount(pairs.iter().map(|(old, new)| Decision::Rename(old, new)), false)
    }

    /// What [`rename`](Self::rename) would do: how many events would count otherwise, and the rows of how many sessions would change. Nothing
    /// changes. Costs as the rename, but for the commit.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub fn would_rename(&mut self, pairs: impl IntoIterator<Item = (Identity, Identity)>) -> Result<Undone> {
        let pairs: Vec<(Identity, Identity)> = pairs.into_iter().collect();
        self.recount(pairs.iter().map(|(old, new)| Decision::Rename(old, new)), true)
    }

    /// Takes the renames of these identities back: everything is as if they had never been.
    ///
    /// # Errors
    /// As [`rename`](Self::rename).
    pub fn rename_back(&mut self, old: impl IntoIterator<Item = Identity>) -> Result<Undone> {
        let old: Vec<Identity> = old.into_iter().collect();
        self.recount(old.iter().map(Decision::RenameBack), false)
    }

    /// Sets identities aside: each counts as nothing, as if its value stood in the list of junk, in every event that carries it, from
    /// the past and to come. An event that carries nothing else does not count. Costs as [`rename`](Self::rename).
    ///
    /// # Errors
    /// When an identity counts as another, a value cannot be one, or the store cannot be read or written.
    pub fn set_aside(&mut self, identities: impl IntoIterator<Item = Identity>) -> Result<Undone> {
        let aside: Vec<Identity> = identities.into_iter().collect();
        self.recount(aside.iter().map(Decision::SetAside), false)
    }

    /// Lets identities count again that were set aside: everything is as if they had never been.
    ///
    /// # Errors
    /// As [`set_aside`](Self::set_aside).
    pub fn release(&mut self, identities: impl IntoIterator<Item = Identity>) -> Result<Undone> {
        let aside: Vec<Identity> = identities.into_iter().collect();
        self.recount(aside.iter().map(Decision::Release), false)
    }

    fn recount<'d>(&mut self, decisions: impl Iterator<Item = Decision<'d>>, dry: bool) -> Result<Undone> {
        let decisions: Vec<Decision<'d>> = decisions.collect();
        let mut undone = self.committer().recount(&decisions, dry)?;
        if !dry {
            let held = self.committer().conclude()?;
            (undone.changes, undone.sequence) = (undone.changes + held.changes, held.sequence);
        }
        Ok(undone)
    }

    /// Lets the store set identities aside by itself that are over these limits, or none where that is `None`: a value such as
    /// `guest-checkout`, or the device of a shop. They are held after each replay, push and decision, and are about the events as they were
    /// written, renames followed, so the result does not depend on the order of anything. A [released](Self::release) identity is kept,
    /// whatever the limits.
    ///
    /// Durable when it returns. Costs a pass over all links, as does each replay and push from then on; and as
    /// [`rename`](Self::rename) does where anything comes to be set aside, or counts again.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn quarantine(&mut self, limits: Option<Limits>) -> Result<Undone> {
        let before = self.store.limits()?;
        self.store.set_limits(limits)?;
        let held = self.committer().conclude()?;
        Ok(Undone { changed: held.changed || before != limits, ..held })
    }

    /// The limits beyond which the store sets identities aside; none where it does not.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn limits(&self) -> Result<Option<Limits>> {
        Ok(self.store.limits()?)
    }

    /// The identities that are over the limits of the store, or over the default ones where it has none, set aside or not.
    ///
    /// Costs a pass over all links, and over the events that count otherwise than they were written.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn crowded(&self) -> Result<Vec<CrowdedRow>> {
        quarantine::crowded(&self.resolver.view(), self.store.limits()?.unwrap_or_default())
    }

    /// A session and a customer by their values.
    fn login(&self, session: &str, customer: &str) -> Result<[Identity; 2]> {
        let unique = self.settings().levels.unique.clone().ok_or(EngineError::NoUnique)?;
        Ok([Identity::new(SESSION, session), Identity::new(unique, customer)])
    }

    /// Takes events back: the store then answers as one that never saw them. Nothing keeps them from being replayed again.
    ///
    /// Durable when it returns. Costs a read of all events, twice, a write of the runs that held them and of all links, and the
    /// memory of a second graph.
    ///
    /// # Errors
    /// When the source is unknown, or the store cannot be read or written.
    pub fn retract(&mut self, what: Retract<'_>) -> Result<Undone> {
        let undone = self.committer().retract(what)?;
        let held = self.committer().conclude()?;
        Ok(Undone { changes: undone.changes + held.changes, sequence: held.sequence, ..undone })
    }

    /// Lets an identity, and every identity that its person has at this moment, opt out: from now on events that carry any of them are not
    /// taken in, whatever their time is, and nothing of them is stored. What is stored stays. The identity need not be known yet.
    ///
    /// Durable when it returns. The store keeps keyed hashes of them.
    ///
    /// # Errors
    /// When the namespace or the value cannot be that of an identity, or the store cannot be written.
    pub fn opt_out(&mut self, namespace: &str, value: &str) -> Result<Consent> {
        self.committer().opt_out(namespace, value)
    }

    /// Takes every [`opt_out`](Self::opt_out) back that the identity was part of, for all identities of each. Events that were not taken in
    /// meanwhile do not come back by themselves: a replay under [`force`](Replay::force) brings them.
    ///
    /// # Errors
    /// As [`opt_out`](Self::opt_out).
    pub fn opt_in(&mut self, namespace: &str, value: &str) -> Result<Consent> {
        self.committer().opt_in(namespace, value)
    }

    /// The identities that opted out, in the order of the moments.
    ///
    /// Costs a hash of every identity of the store.
    pub fn opt_outs(&self) -> Vec<OptOutRow> {
        consent::opt_outs(&self.store, &self.resolver.view())
    }

    /// Erases identities: every event that carries any of them, all that follows from these events, and what the change feed and the
    /// history said of them. A keyed hash stays of each as a tombstone, so that no replay brings its events back. When it returns no file
    /// of the store contains the values, which are looked for in the names of sources and in the ids of other events, too.
    ///
    /// Anonymous events that were given to an erased customer fall back to their session, and never to another customer: links that
    /// would give them to one count as [never seen](Self::unlink) from then on, and are counted.
    ///
    /// Durable when it returns; killed before that it is done, or has not begun. A [`View`](crate::resolver::View) that was taken before knows
    /// what it held in memory, and fails with [`Forgotten`](ErrorKind::Forgotten) where it would read the store.
    ///
    /// Costs a few reads of all events, a write of the whole store, room for a second one on the disk meanwhile, and the memory of a second graph; a thousand identities cost as one.
    ///
    /// # Errors
    /// When a namespace or a value cannot be that of an identity, more than
    /// [`MAX_FORGOTTEN`](crate::model::limits::MAX_FORGOTTEN) are named, another process has opened the store meanwhile, or it cannot be read or written.
    pub fn forget(&mut self, forget: &Forget) -> Result<Forgotten> {
        let forgotten = self.committer().forget(forget, false)?;
        let held = self.committer().conclude()?;
        Ok(Forgotten { changes: forgotten.changes + held.changes, sequence: held.sequence, ..forgotten })
    }

    /// What [`forget`](Self::forget) would do: how many identities and events would go, which links be cut, and what would stay although it
    /// contains a value. Nothing changes. Costs as the erasure, but for the write of the store.
    ///
    /// # Errors
    /// As [`forget`](Self::forget).
    pub fn would_forget(&mut self, forget: &Forget) -> Result<Forgotten> {
        self.committer().forget(forget, true)
    }

    /// Takes the tombstone of an identity back, and says whether there was one: its events are taken in again. Nothing comes back by itself: a
    /// replay under [`force`](Replay::force) brings what the logs hold.
    ///
    /// # Errors
    /// When the namespace or the value cannot be that of an identity, or the store cannot be written.
    pub fn readmit(&mut self, namespace: &str, value: &str) -> Result<bool> {
        self.committer().readmit(namespace, value)
    }

    /// The identities that were erased, by the moment: of each the hash alone.
    pub fn tombstones(&self) -> Vec<TombstoneRow> {
        erase::tombstones(&self.store)
    }

    /// Copies the store to `path`, where there is nothing yet, as of the last commit: a store that opens as any other, in an epoch of
    /// its own. The change feed and what was known earlier are in it.
    ///
    /// Costs a read and a write of every block. Resolvers answer meanwhile.
    ///
    /// # Errors
    /// When there is something at `path`, the store is damaged, or the copy cannot be written.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(self.store.backup(path.as_ref())?)
    }

    /// Writes all facts of the last commit as lines of JSON, from which [`import_facts`](Self::import_facts) makes a store of the same
    /// digest: of another version, on another machine. The change feed and what was known earlier are not exported.
    ///
    /// Costs a read of all events, twice.
    ///
    /// # Errors
    /// When the store cannot be read, or `to` cannot be written.
    pub fn export_facts(&self, to: impl Write) -> Result<FactCounts> {
        facts::export::run(&self.resolver.view(), &self.store, to)
    }

    /// Takes facts that [`export_facts`](Self::export_facts) wrote into the store at `path`, which is made where it is missing,
    /// with the settings that the facts come with. What it knows is not counted twice; decisions and positions of sources that it
    /// has stay as they are.
    ///
    /// Durable when it returns, in commits of a million events. Where it is cut short, the same call goes on.
    ///
    /// # Errors
    /// As [`open`](Self::open), when the store has other settings, or the facts are cut short or damaged
    /// ([`Facts`](ErrorKind::Facts)): what was committed before stays, and the same facts, whole, complete it.
    pub fn import_facts(path: impl AsRef<Path>, from: impl Read) -> Result<(Self, Imported)> {
        Self::import(|settings| settings.open(path), from)
    }

    /// As [`Engine::import_facts`], over any backend.
    ///
    /// # Errors
    /// As [`Engine::import_facts`].
    #[doc(hidden)]
    pub fn import_facts_backend(backend: Arc<dyn Backend>, from: impl Read) -> Result<(Self, Imported)> {
        Self::import(|settings| settings.over(backend), from)
    }

    fn import(open: impl FnOnce(Options) -> Result<Self>, from: impl Read) -> Result<(Self, Imported)> {
        let mut facts = FactReader::new(from);
        let (settings, namespaces) = facts.head()?;
        let mut engine = open(Options::from(settings))?;
        let imported = engine.committer().import(&namespaces, &mut facts)?;
        engine.committer().conclude()?;
        Ok((engine, imported))
    }

    /// As [`Engine::import_facts`], into this store.
    ///
    /// # Errors
    /// As [`Engine::import_facts`].
    pub fn add_facts(&mut self, from: impl Read) -> Result<Imported> {
        let mut facts = FactReader::new(from);
        let (settings, namespaces) = facts.head()?;
        if settings != *self.settings() {
            let (stored, asked) = (Box::new(self.settings().clone()), Box::new(settings));
            return Err(StoreError::Settings { store: self.store.backend().name(), stored, asked }.into());
        }
        let imported = self.committer().import(&namespaces, &mut facts)?;
        self.committer().keep_totals();
        Ok(imported)
    }

    /// A handle on the change feed, which can be followed in any thread while replays go on.
    pub fn feed(&self) -> Feed {
        Feed::new(Arc::clone(&self.feed), self.resolver.clone())
    }

    /// Forgets the changes of the feed up to `sequence`, and with them what was [known](Self::known_at) before it.
    ///
    /// # Errors
    /// When `sequence` is not reached yet, or the store cannot be written.
    pub fn trim(&mut self, sequence: Sequence) -> Result<()> {
        self.store.trim(sequence)?;
        self.feed.publish(self.store.feed());
        Ok(())
    }

    fn committer(&mut self) -> Committer<'_> {
        Committer { store: &mut self.store, resolver: &self.resolver, feed: &self.feed, drafts: &mut self.drafts }
    }

    /// A handle that answers questions, in any thread, while replays go on.
    pub fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// What the store was made with.
    pub fn settings(&self) -> &Settings {
        self.store.settings()
    }

    /// Bytes that the store takes on the disk; 0 in memory.
    ///
    /// # Errors
    /// When its files cannot be listed.
    pub fn bytes_on_disk(&self) -> Result<u64> {
        Ok(self.store.backend().bytes_on_disk()?)
    }

    /// The number of the last commit.
    pub fn generation(&self) -> u64 {
        self.store.generation()
    }

    /// The store underneath.
    #[doc(hidden)]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Works out everything derived a second time, in another way, and compares.
    ///
    /// Costs a read of everything, and the memory of a second graph.
    ///
    /// # Errors
    /// When the store cannot be read. Damaged blocks are no error here: they are reported.
    pub fn verify(&self) -> Result<Verification> {
        check::verify::run(&self.store, &self.resolver.view())
    }
}
