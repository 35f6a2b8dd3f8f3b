//! Chance, in whole numbers.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A seeded generator; its draws are part of what a recipe promises.
#[derive(Debug)]
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, and 0 when `end` is 0. By multiplication: its bias, below 2^-10 for what is asked
    /// here, shows in no log.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// True once in `many` draws.
    pub(super) fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// One of `all`.
    pub(super) fn of<T: Copy, const N: usize>(&mut self, all: &[T; N]) -> T {
        all[self.below(N as u32) as usize]
    }
}
