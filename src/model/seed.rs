//! The seed of every hash table whose keys come from outside.
//!
//! The author of a log chooses its identities, and the ids that they get by their order. Under a hash that is known beforehand
//! they could be chosen to collide, and a table of n such keys costs n² steps to fill, at every opening. So tables hash with a seed
//! that no one outside the process knows. No answer depends on it: what is listed is listed in the order of ids or values.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64_with_secret;

/// Bytes of the secret: the shortest that XXH3 takes for keys of any length.
const SECRET_BYTES: usize = 136;

/// What is drawn at random, once a process.
struct Seed {
    secret: [u8; SECRET_BYTES],
    /// With what each round masks a number, and by what it multiplies it; odd, so that no two numbers have one product.
    rounds: [(u64, u64); 2],
}

static SEED: LazyLock<Seed> = LazyLock::new(Seed::drawn);

impl Seed {
    /// One that is drawn at random.
    fn drawn() -> Self {
        // The standard library draws its keys from the operating system; SipHash spreads them.
        let state = RandomState::new();
        let mut words = (0_u64..).map(|at| state.hash_one(at));
        let mut word = || words.next().unwrap_or_default();
        let mut secret = [0; SECRET_BYTES];
        for bytes in secret.chunks_exact_mut(8) {
            bytes.copy_from_slice(&word().to_le_bytes());
        }
        Self { secret, rounds: std::array::from_fn(|_| (word(), word() | 1)) }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        xxh3_64_with_secret(bytes, &self.secret)
    }

    /// The two halves of a 128-bit product, folded, twice: tables rely on both the highest and the lowest bits, and after
    /// one round a twelfth of all seeds still crowd evenly spaced numbers together.
    #[inline]
    fn hash_number(&self, number: u64) -> u64 {
        self.rounds.iter().fold(number, |hash, (mask, factor)| {
            let product = u128::from(hash ^ mask) * u128::from(*factor);
            (product as u64) ^ (product >> 64) as u64
        })
    }
}

/// The hash of some bytes; another one in every process.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    SEED.hash(bytes)
}

/// The hash of a number; another one in every process.
#[inline]
pub fn hash_number(number: u64) -> u64 {
    SEED.hash_number(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that were a constant would spread keys as well, and be known beforehand.
    #[test]
    fn every_seed_is_another() {
        let [one, other] = [Seed::drawn(), Seed::drawn()];
        for key in 0..100_u64 {
            assert_ne!(one.hash(&key.to_le_bytes()), other.hash(&key.to_le_bytes()));
            assert_ne!(one.hash_number(key), other.hash_number(key));
        }
    }

    /// Under any seed, keys that differ in a few bits are spread over the low bits of a hash, and over the high ones.
    #[test]
    fn keys_are_spread() {
        const KEYS: u64 = 1 << 16;
        let met = |hashes: &mut dyn Iterator<Item = u64>, bits: u32| {
            let mut places = vec![false; KEYS as usize];
            hashes.for_each(|hash| places[usize::from((hash >> bits) as u16)] = true);
            places.into_iter().filter(|met| *met).count()
        };
        for _ in 0..20 {
            let seed = Seed::drawn();
            for bits in [0, 32, 48] {
                let numbers = met(&mut (0..KEYS).map(|at| seed.hash_number(at << 20)), bits);
                let bytes = met(&mut (0..KEYS).map(|at| seed.hash(&at.to_be_bytes())), bits);
                // Of as many places as keys, 63 % are met by chance: 41,427, give or take 120 and so never 1,400 fewer.
                for met in [numbers, bytes] {
                    assert!((40_000..=KEYS as usize).contains(&met), "{met} places from bit {bits}");
                }
            }
        }
    }
}
