//! Ranges that overlap become ranges that do not: at every address the narrowest one speaks, and among equally
//! narrow ones the one that was added last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a table says of the addresses `first..=last`.
#[derive(Debug, Clone, Copy)]
pub struct Range<V> {
    pub first: u128,
    pub last: u128,
    pub value: V,
}

/// From `start` on, up to the next one's start, this holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<V> {
    pub start: u128,
    pub value: Option<V>,
}

/// Segments in order of `start`, neighbours different, beginning where the first range begins.
pub fn flatten<V: Copy + Eq>(ranges: &[Range<V>]) -> Vec<Segment<V>> {
    let mut bounds: Vec<u128> = Vec::with_capacity(ranges.len() * 2);
    bounds.extend(ranges.iter().map(|range| range.first));
    bounds.extend(ranges.iter().filter_map(|range| range.last.checked_add(1)));
    bounds.sort_unstable();
    bounds.dedup();
    let mut order: Vec<usize> = (0..ranges.len()).collect();
    order.sort_by_key(|index| ranges[*index].first);

    let mut segments = Vec::new();
    let mut speaking: BinaryHeap<(Reverse<u128>, usize)> = BinaryHeap::new();
    let mut next = order.into_iter().peekable();
    for bound in bounds {
        while let Some(index) = next.next_if(|index| ranges[*index].first == bound) {
            speaking.push((Reverse(ranges[index].last - ranges[index].first), index));
        }
        while speaking.peek().is_some_and(|(_, index)| ranges[*index].last < bound) {
            speaking.pop();
        }
        let value = speaking.peek().map(|(_, index)| ranges[*index].value);
        push(&mut segments, bound, value);
    }
    segments
}

/// Two layers over each other, each with its own word: at every address the pair of what they say.
pub fn zip<A: Copy + Eq, B: Copy + Eq>(
    left: &[Segment<A>],
    right: &[Segment<B>],
) -> Vec<Segment<(Option<A>, Option<B>)>> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    let (mut a, mut b) = (None, None);
    loop {
        let start = match (left.get(i), right.get(j)) {
            (Some(l), Some(r)) => l.start.min(r.start),
            (Some(l), None) => l.start,
            (None, Some(r)) => r.start,
            (None, None) => return merged,
        };
        if let Some(segment) = left.get(i).filter(|segment| segment.start == start) {
            a = segment.value;
            i += 1;
        }
        if let Some(segment) = right.get(j).filter(|segment| segment.start == start) {
            b = segment.value;
            j += 1;
        }
        let value = (a.is_some() || b.is_some()).then_some((a, b));
        push(&mut merged, start, value);
    }
}

/// Adds a segment unless the one before says the same; a gap before everything says nothing.
fn push<V: Copy + Eq>(segments: &mut Vec<Segment<V>>, start: u128, value: Option<V>) {
    let before = segments.last().and_then(|segment| segment.value);
    if before != value {
        segments.push(Segment { start, value });
    }
}
