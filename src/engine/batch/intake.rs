//! Which events of a chunk are taken in: those that carry no identity that was erased, or opted out.

use crate::engine::batch::decoded::DecodedChunk;
use crate::engine::batch::rows::BatchRow;
use crate::engine::batch::sets::SetId;
use crate::model::barred::{IdentityBar, Refused};
use crate::model::identity::IdentityId;
use crate::store::barred::Barred;

/// What is taken in of a chunk, some of whose identities are barred.
pub struct Intake {
    /// By identity of the chunk.
    bars: Vec<IdentityBar>,
    /// By set of companions.
    of_sets: Vec<IdentityBar>,
    /// The identities that an event carries which is taken in.
    carried: Vec<bool>,
    /// The sets that such an event has.
    used: Vec<bool>,
    /// The events that are not taken in.
    pub refused: Refused,
}

impl Intake {
    /// That of `chunk`; `None` where all of it is taken in. Costs a hash for each identity of the chunk, and nothing where no identity is
    /// barred.
    pub fn of(chunk: &DecodedChunk, barred: &Barred) -> Option<Self> {
        if barred.is_empty() {
            return None;
        }
        let names = chunk.namespaces.names();
        let bar = |id| {
            let namespace = &names[usize::from(chunk.identities.namespace(id).0)];
            barred.bar(namespace, chunk.identities.value(id))
        };
        let bars: Vec<IdentityBar> = chunk.identities.ids().map(bar).collect();
        if bars.iter().all(|bar| bar.is_none()) {
            return None;
        }
        let sets = &chunk.rows.sets;
        let members = |set| sets.get(SetId(set)).iter().map(|id: &IdentityId| bars[id.index()]);
        let of_sets: Vec<IdentityBar> =
            (0..sets.len() as u32).map(|set| members(set).fold(IdentityBar::default(), IdentityBar::and)).collect();
        let (carried, used) = (vec![false; bars.len()], vec![false; of_sets.len()]);
        let mut this = Self { bars, of_sets, carried, used, refused: Refused::default() };
        for row in &chunk.rows.all {
            match this.bar(row).refusal(row.time) {
                Some(refusal) => this.refused.count(refusal),
                None => {
                    this.carried[row.anchor.index()] = true;
                    this.used[row.companions.0 as usize] = true;
                }
            }
        }
        for set in (0..sets.len() as u32).map(SetId).filter(|set| this.used[set.0 as usize]) {
            sets.get(set).iter().for_each(|id| this.carried[id.index()] = true);
        }
        Some(this)
    }

    /// Whether an event of the chunk is taken in.
    pub fn takes(&self, row: &BatchRow) -> bool {
        self.bar(row).refusal(row.time).is_none()
    }

    /// Whether an event that is taken in carries an identity of the chunk.
    pub fn carries(&self, id: IdentityId) -> bool {
        self.carried[id.index()]
    }

    /// Whether an event that is taken in has a set of the chunk.
    pub fn has(&self, set: SetId) -> bool {
        self.used[set.0 as usize]
    }

    fn bar(&self, row: &BatchRow) -> IdentityBar {
        self.bars[row.anchor.index()].and(self.of_sets[row.companions.0 as usize])
    }
}
