//! A sorted set that finds the index of an entry, and the entry at an index, in logarithmic time. Used
//! by the order of the queue.

use std::hash::{DefaultHasher, Hash, Hasher as _};

type Tree<K> = Option<Box<Node<K>>>;

/// A treap: a search tree by key that is also a heap by weight. The weights are hashes of the keys, so
/// that the tree is balanced for every order of insertions.
#[derive(Clone, Debug)]
pub struct RankedSet<K>(Tree<K>);

#[derive(Clone, Debug)]
struct Node<K> {
    key: K,
    weight: u64,
    /// Number of keys in this node and below it.
    len: usize,
    left: Tree<K>,
    right: Tree<K>,
}

impl<K> Default for RankedSet<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Ord + Hash> RankedSet<K> {
    /// Inserts a key. Returns whether it is new.
    pub fn insert(&mut self, key: K) -> bool {
        let (before, rest) = split(self.0.take(), &|other| *other < key);
        let (same, after) = split(rest, &|other| *other <= key);
        let is_new = same.is_none();
        let here = same.or_else(|| Some(Box::new(Node::leaf(key))));
        self.0 = merge(merge(before, here), after);
        is_new
    }

    /// Removes a key. Returns whether it was in the set.
    pub fn remove(&mut self, key: &K) -> bool {
        let (before, rest) = split(self.0.take(), &|other| other < key);
        let (same, after) = split(rest, &|other| other <= key);
        self.0 = merge(before, after);
        same.is_some()
    }
}

impl<K> RankedSet<K> {
    /// Number of keys.
    pub fn len(&self) -> usize {
        len(self.0.as_deref())
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Number of keys at the front for which `is_before` is true. It must be false for all later keys.
    pub fn partition_point(&self, is_before: impl Fn(&K) -> bool) -> usize {
        let (mut point, mut next) = (0_usize, self.0.as_deref());
        while let Some(node) = next {
            next = if is_before(&node.key) {
                point = point.saturating_add(len(node.left.as_deref())).saturating_add(1);
                node.right.as_deref()
            } else {
                node.left.as_deref()
            };
        }
        point
    }

    /// The key at this index in sorted order.
    pub fn get(&self, index: usize) -> Option<&K> {
        let (mut index, mut next) = (index, self.0.as_deref());
        while let Some(node) = next {
            let before = len(node.left.as_deref());
            next = match index.checked_sub(before) {
                None => node.left.as_deref(),
                Some(0) => return Some(&node.key),
                Some(behind) => {
                    index = behind.saturating_sub(1);
                    node.right.as_deref()
                }
            };
        }
        None
    }
}

impl<K> Node<K> {
    fn count(&mut self) {
        let (left, right) = (len(self.left.as_deref()), len(self.right.as_deref()));
        self.len = left.saturating_add(right).saturating_add(1);
    }
}

impl<K: Hash> Node<K> {
    fn leaf(key: K) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self { key, weight: hasher.finish(), len: 1, left: None, right: None }
    }
}

fn len<K>(tree: Option<&Node<K>>) -> usize {
    tree.map_or(0, |node| node.len)
}

/// Splits a tree into the keys at the front for which `is_before` is true, and the others.
fn split<K>(tree: Tree<K>, is_before: &impl Fn(&K) -> bool) -> (Tree<K>, Tree<K>) {
    let Some(mut node) = tree else { return (None, None) };
    if is_before(&node.key) {
        let (before, after) = split(node.right.take(), is_before);
        node.right = before;
        node.count();
        (Some(node), after)
    } else {
        let (before, after) = split(node.left.take(), is_before);
        node.left = after;
        node.count();
        (before, Some(node))
    }
}

/// Joins two trees. All keys of the first must be lower than those of the second.
fn merge<K>(first: Tree<K>, second: Tree<K>) -> Tree<K> {
    match (first, second) {
        (tree, None) | (None, tree) => tree,
        (Some(mut first), Some(mut second)) => {
            if first.weight >= second.weight {
                first.right = merge(first.right.take(), Some(second));
                first.count();
                Some(first)
            } else {
                second.left = merge(Some(first), second.left.take());
                second.count();
                Some(second)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn depth<K>(tree: Option<&Node<K>>) -> usize {
        let below = |node: &Node<K>| depth(node.left.as_deref()).max(depth(node.right.as_deref()));
        tree.map_or(0, |node| below(node) + 1)
    }

    #[test]
    fn a_set_that_is_filled_in_order_is_flat() {
        let mut set = RankedSet::default();
        (0..10_000_u32).for_each(|key| assert!(set.insert(key)));
        assert!(depth(set.0.as_deref()) < 50, "{}", depth(set.0.as_deref()));
        assert_eq!(set.len(), 10_000);
    }

    proptest! {
        #[test]
        fn it_equals_a_sorted_set(
            steps in proptest::collection::vec((any::<bool>(), 0_u8..60), 0..200),
        ) {
            let (mut set, mut expected) = (RankedSet::default(), BTreeSet::new());
            for (insert, key) in steps {
                if insert {
                    prop_assert_eq!(set.insert(key), expected.insert(key));
                } else {
                    prop_assert_eq!(set.remove(&key), expected.remove(&key));
                }
                prop_assert_eq!(set.len(), expected.len());
                prop_assert_eq!(set.is_empty(), expected.is_empty());
            }
            for (index, key) in expected.iter().enumerate() {
                prop_assert_eq!(set.get(index), Some(key));
                prop_assert_eq!(set.partition_point(|other| other < key), index);
            }
            prop_assert_eq!(set.get(expected.len()), None);
        }
    }
}
