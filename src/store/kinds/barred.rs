//! Identities whose events are not taken in, as keyed hashes, and the keys: tombstones of erased ones, and opt-outs.

use crate::model::barred::{BAR_BYTES, BarHash, IdentityBar};
use crate::model::identity::IdentityId;
use crate::model::time::Time;
use crate::store::block::{BlockKind, Loss};
use crate::store::column::{self, ColumnReader};
use crate::store::erased::Erased;
use crate::store::manifest::StoreTotals;
use crate::store::run::Run;
use crate::store::table::{self, TableRow};

/// A key of the hashes: without it nobody can test a value against one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BarKey(pub [u8; BAR_BYTES]);

/// It is told nowhere by accident.
impl std::fmt::Debug for BarKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BarKey(…)")
    }
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarRow {
    /// A key, in the order of its number: the first is the store's own.
    Key(u32, BarKey),
    /// An identity that was erased.
    Tombstone(BarHash, Tombstone),
    /// An identity that opted out, by the number of the act that it opted out in.
    OptOut(u64, BarHash, OptOut),
    /// A text that told the value of an erased identity, also where it comes again: a mark made of the hash takes the place of the `id` of an
    /// event, and of the name of a source; nothing takes that of segments or traits.
    Text(BarHash),
    /// A link that counts as never seen because of an erasure, by the number of that.
    Cut(u64, IdentityId, IdentityId, bool),
}

/// That an identity was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// The number of the erasure, drawn at random: those of one are taken back together, where links were cut.
    pub act: u64,
    /// Its events up to and including this moment are not taken in.
    pub until: Time,
    /// When it was erased.
    pub at: Time,
    /// Whether that was not taken back.
    pub stands: bool,
}

/// That an identity opted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptOut {
    /// When.
    pub at: Time,
    /// Whether that was not taken back.
    pub stands: bool,
}

/// The ends of a link, in the place of a hash.
fn ends(lower: IdentityId, higher: IdentityId) -> [u8; BAR_BYTES] {
    let mut bytes = [0; BAR_BYTES];
    let numbers = [lower.0.to_be_bytes(), higher.0.to_be_bytes()].concat();
    bytes.iter_mut().zip(numbers).for_each(|(to, byte)| *to = byte);
    bytes
}

const KEY: u64 = 0;
const TOMBSTONE: u64 = 1;
const OPT_OUT: u64 = 2;
const TEXT: u64 = 3;
const CUT: u64 = 4;

impl TableRow for BarRow {
    const KIND: BlockKind = BlockKind::new(15, "barred", Loss::Salvaged);
    const LIVE: fn(&StoreTotals, &[Run]) -> u64 = table::rows_of_largest_run;
    /// Sort, number and hash.
    type Key = (u64, u64, [u8; BAR_BYTES]);

    fn key(&self) -> (u64, u64, [u8; BAR_BYTES]) {
        match *self {
            Self::Key(number, _) => (KEY, u64::from(number), [0; BAR_BYTES]),
            Self::Tombstone(hash, _) => (TOMBSTONE, 0, hash.0),
            Self::OptOut(act, hash, _) => (OPT_OUT, act, hash.0),
            Self::Text(hash) => (TEXT, 0, hash.0),
            Self::Cut(act, lower, higher, _) => (CUT, act, ends(lower, higher)),
        }
    }

    fn merge(self, later: Self) -> Self {
        later
    }

    /// They tell nothing that is erased. What does not stand goes.
    fn without(self, erased: &Erased<'_>) -> Option<Self> {
        let stands = match self {
            Self::Cut(act, lower, higher, true) => {
                return Some(Self::Cut(act, erased.id(lower)?, erased.id(higher)?, true));
            }
            Self::Cut(..) => false,
            Self::Key(..) | Self::Text(_) => true,
            Self::Tombstone(_, tombstone) => tombstone.stands,
            Self::OptOut(_, _, opt_out) => opt_out.stands,
        };
        stands.then_some(self)
    }

    fn write(&self, _: Option<&Self>, out: &mut Vec<u8>) {
        let (sort, number, hash) = self.key();
        column::put(out, sort);
        column::put(out, number);
        match *self {
            Self::Key(_, key) => out.extend_from_slice(&key.0),
            Self::Tombstone(_, Tombstone { act, until, at, stands }) => {
                out.extend_from_slice(&hash);
                column::put(out, act);
                let bound = Some(until).filter(|&until| until != IdentityBar::FOR_GOOD);
                column::put(out, u64::from(bound.is_some()));
                if let Some(until) = bound {
                    column::put_time_since(out, until, None);
                }
                column::put_time_since(out, at, None);
                column::put(out, u64::from(stands));
            }
            Self::Cut(_, lower, higher, stands) => {
                column::put(out, u64::from(lower.0));
                column::put(out, u64::from(higher.0));
                column::put(out, u64::from(stands));
            }
            Self::Text(_) => out.extend_from_slice(&hash),
            Self::OptOut(_, _, OptOut { at, stands }) => {
                out.extend_from_slice(&hash);
                column::put_time_since(out, at, None);
                column::put(out, u64::from(stands));
            }
        }
    }

    fn read(_: Option<&Self>, from: &mut ColumnReader<'_>) -> Option<Self> {
        let (sort, number) = (from.u64()?, from.u64()?);
        if sort == CUT {
            let (lower, higher) = (IdentityId(from.u32()?), IdentityId(from.u32()?));
            return Some(Self::Cut(number, lower, higher, from.flag()?));
        }
        let bytes: [u8; BAR_BYTES] = from.take(BAR_BYTES)?.try_into().ok()?;
        match sort {
            KEY => Some(Self::Key(number.try_into().ok()?, BarKey(bytes))),
            TOMBSTONE if number == 0 => {
                let act = from.u64()?;
                let until = if from.flag()? { from.time_since(None)? } else { IdentityBar::FOR_GOOD };
                Some(Self::Tombstone(
                    BarHash(bytes),
                    Tombstone { act, until, at: from.time_since(None)?, stands: from.flag()? },
                ))
            }
            OPT_OUT => {
                let opt_out = OptOut { at: from.time_since(None)?, stands: from.flag()? };
                Some(Self::OptOut(number, BarHash(bytes), opt_out))
            }
            TEXT if number == 0 => Some(Self::Text(BarHash(bytes))),
            _ => None,
        }
    }
}
