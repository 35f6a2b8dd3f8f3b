//! Groups that must be taken apart, in sets that are joined again together.

use hashbrown::HashMap;

use crate::model::identity::IdentityId;

/// Sets of groups, each named by its root. A union-find of its own, as small as what changes.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// The place of a root in `sets`.
    places: HashMap<IdentityId, u32>,
    roots: Vec<IdentityId>,
    /// A place of the same set, by place; of the one that names the set: itself.
    sets: Vec<u32>,
}

impl Dirty {
    /// Whether the group of `root` is in any set.
    pub(super) fn contains(&self, root: IdentityId) -> bool {
        !self.places.is_empty() && self.places.contains_key(&root)
    }

    /// The set that the group of `root` is in.
    pub(super) fn set(&mut self, root: IdentityId) -> Option<u32> {
        let place = *self.places.get(&root)?;
        Some(self.top(place))
    }

    /// Puts two groups (which may be one) in one set.
    pub(super) fn unite(&mut self, a: IdentityId, b: IdentityId) {
        let (a, b) = (self.place(a), self.place(b));
        let (a, b) = (self.top(a), self.top(b));
        self.sets[a.max(b) as usize] = a.min(b);
    }

    /// The sets, each as the roots of its groups.
    pub(super) fn sets(&mut self) -> Vec<(u32, Vec<IdentityId>)> {
        let mut sets: Vec<(u32, Vec<IdentityId>)> = Vec::new();
        let mut at = HashMap::new();
        for place in 0..self.roots.len() {
            let (root, set) = (self.roots[place], self.top(place as u32));
            let at = *at.entry(set).or_insert_with(|| {
                sets.push((set, Vec::new()));
                sets.len() - 1
            });
            sets[at].1.push(root);
        }
        sets
    }

    fn place(&mut self, root: IdentityId) -> u32 {
        *self.places.entry(root).or_insert_with(|| {
            let place = self.roots.len() as u32;
            self.roots.push(root);
            self.sets.push(place);
            place
        })
    }

    /// Halves the way as it goes.
    fn top(&mut self, mut place: u32) -> u32 {
        while self.sets[place as usize] != place {
            let above = self.sets[place as usize];
            self.sets[place as usize] = self.sets[above as usize];
            place = above;
        }
        place
    }
}
