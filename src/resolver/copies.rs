//! The view that many threads read at once, and that a commit exchanges.
//!
//! A lock that all readers share is a word that each of them writes, and two threads that ask at once take turns at its cache line: together they
//! were slower than one. So there are several copies of the view (a few pointers), each behind a lock on a cache line of its own, and a thread keeps to
//! one of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::resolver::view::View;

/// How many: more than most machines have cores that ask at once. Beyond that threads share, which costs time alone.
const COPIES: usize = 16;

/// A copy on a line of its own; processors fetch lines in pairs.
#[repr(align(128))]
struct Padded(RwLock<View>);

/// The copies of one view.
pub(super) struct Copies([Padded; COPIES]);

impl Copies {
    pub(super) fn of(view: View) -> Self {
        Self(std::array::from_fn(|_| Padded(RwLock::new(view.clone()))))
    }

    /// The view, kept from changing while the guard lives.
    #[inline]
    pub(super) fn read(&self) -> RwLockReadGuard<'_, View> {
        self.0[own_place()].0.read()
    }

    /// Exchanges all copies at one moment, so that no thread sees an older commit than another told it of; gives back the view before.
    pub(super) fn replace(&self, next: View) -> View {
        let mut all: [RwLockWriteGuard<'_, View>; COPIES] = self.0.each_ref().map(|copy| copy.0.write());
        let [first, rest @ ..] = &mut all;
        rest.iter_mut().for_each(|copy| **copy = next.clone());
        std::mem::replace(&mut **first, next)
    }
}

/// The copy that this thread reads.
#[inline]
fn own_place() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % COPIES;
    }
    PLACE.with(|&place| place)
}
