//! Version vectors: a position in a feed, `{origin -> seq}`.
//!
//! A feed is a set of logs, one per origin, each dense from 1; a vector says how much of each is known.
//! Vectors form a join semilattice: `join` is commutative, associative and idempotent, and positions
//! only grow. Held as a sorted list, because a feed has one to a handful of origins.

use crate::ids::{InvalidId, Origin};
use crate::wire;

/// A position in a feed. Origins ascending, each once, no seq 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct VersionVector(Vec<(Origin, u64)>);

/// The vector on the wire breaks its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVector {
    /// An origin is not 32 bytes.
    #[error(transparent)]
    Origin(#[from] InvalidId),
    /// Origins are not in ascending order, or one is there twice.
    #[error("origins must ascend, each once")]
    Order,
    /// A seq of 0 says nothing and must be left out.
    #[error("a seq of 0 must be left out")]
    ZeroSeq,
    /// More origins than any feed has.
    #[error("more than {MAX_ORIGINS} origins")]
    TooMany,
}

impl VersionVector {
    /// The position before everything.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The highest seq known of `origin`, 0 if none.
    pub fn get(&self, origin: Origin) -> u64 {
        match self.0.binary_search_by_key(&origin, |(o, _)| *o) {
            Ok(index) => self.0[index].1,
            Err(_) => 0,
        }
    }

    /// Raises the position of `origin` to `seq`; says whether that moved it.
    pub fn advance(&mut self, origin: Origin, seq: u64) -> bool {
        match self.0.binary_search_by_key(&origin, |(o, _)| *o) {
            Ok(index) if self.0[index].1 < seq => self.0[index].1 = seq,
            Err(index) if seq > 0 => self.0.insert(index, (origin, seq)),
            _ => return false,
        }
        true
    }

    /// Raises every position to at least `other`'s; says whether anything moved.
    pub fn join(&mut self, other: &Self) -> bool {
        let mut moved = false;
        for (origin, seq) in other.iter() {
            moved |= self.advance(origin, seq);
        }
        moved
    }

    /// The highest position that both have reached.
    pub fn meet(&self, other: &Self) -> Self {
        Self(
            self.iter()
                .map(|(origin, seq)| (origin, seq.min(other.get(origin))))
                .filter(|(_, seq)| *seq > 0)
                .collect(),
        )
    }

    /// Whether everything in `other` is known here.
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(origin, seq)| self.get(origin) >= seq)
    }

    /// The positions, origins ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Origin, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Origin, u64)>>(positions: I) -> Self {
        let mut vector = Self::new();
        for (origin, seq) in positions {
            vector.advance(origin, seq);
        }
        vector
    }
}

impl From<&VersionVector> for wire::VersionVector {
    fn from(vector: &VersionVector) -> Self {
        Self {
            positions: vector
                .iter()
                .map(|(origin, seq)| wire::OriginSeq { origin: origin.to_bytes(), seq })
                .collect(),
        }
    }
}

impl TryFrom<&wire::VersionVector> for VersionVector {
    type Error = InvalidVector;
    fn try_from(vector: &wire::VersionVector) -> Result<Self, InvalidVector> {
        if vector.positions.len() > MAX_ORIGINS {
            return Err(InvalidVector::TooMany);
        }
        let mut positions: Vec<(Origin, u64)> = Vec::with_capacity(vector.positions.len());
        for position in &vector.positions {
            let origin = Origin::try_from(position.origin.as_ref())?;
            if position.seq == 0 {
                return Err(InvalidVector::ZeroSeq);
            }
            if positions.last().is_some_and(|(last, _)| *last >= origin) {
                return Err(InvalidVector::Order);
            }
            positions.push((origin, position.seq));
        }
        Ok(Self(positions))
    }
}

impl TryFrom<Option<&wire::VersionVector>> for VersionVector {
    type Error = InvalidVector;
    fn try_from(vector: Option<&wire::VersionVector>) -> Result<Self, InvalidVector> {
        vector.map_or(Ok(Self::new()), Self::try_from)
    }
}

/// A feed has one origin per store incarnation of the cells of its room; this bounds a hostile vector.
pub const MAX_ORIGINS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> impl Strategy<Value = VersionVector> {
        proptest::collection::vec((0u8..5, 0u64..6), 0..8)
            .prop_map(|list| list.into_iter().map(|(o, s)| (Origin([o; 32]), s)).collect())
    }

    fn joined(a: &VersionVector, b: &VersionVector) -> VersionVector {
        let mut c = a.clone();
        c.join(b);
        c
    }

    proptest! {
        #[test]
        fn join_is_a_semilattice(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(joined(&a, &b), joined(&b, &a));
            prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
            prop_assert_eq!(joined(&a, &a), a.clone());
            prop_assert!(joined(&a, &b).covers(&a));
        }

        #[test]
        fn meet_is_the_largest_below_both(a in vectors(), b in vectors(), c in vectors()) {
            let m = a.meet(&b);
            prop_assert_eq!(&m, &b.meet(&a));
            prop_assert!(a.covers(&m) && b.covers(&m));
            if a.covers(&c) && b.covers(&c) {
                prop_assert!(m.covers(&c));
            }
        }

        #[test]
        fn the_wire_form_reads_back(a in vectors()) {
            prop_assert_eq!(VersionVector::try_from(&wire::VersionVector::from(&a)), Ok(a));
        }

        #[test]
        fn join_says_whether_it_moved(a in vectors(), b in vectors()) {
            let mut c = a.clone();
            prop_assert_eq!(c.join(&b), !a.covers(&b));
        }
    }

    #[test]
    fn a_vector_out_of_order_is_refused() {
        let position = |o: u8, seq| wire::OriginSeq { origin: vec![o; 32].into(), seq };
        let parse = |positions| VersionVector::try_from(&wire::VersionVector { positions });
        assert_eq!(parse(vec![position(2, 1), position(1, 1)]), Err(InvalidVector::Order));
        assert_eq!(parse(vec![position(1, 1), position(1, 2)]), Err(InvalidVector::Order));
        assert_eq!(parse(vec![position(1, 0)]), Err(InvalidVector::ZeroSeq));
        assert!(matches!(
            parse(vec![wire::OriginSeq { origin: vec![1; 31].into(), seq: 1 }]),
            Err(InvalidVector::Origin(_))
        ));
    }
}
