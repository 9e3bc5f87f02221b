//! A vector that the clones of its owner can share until one of them changes it.

use std::ops::Deref;
use std::sync::Arc;

/// See the module documentation. While it has one owner, it is as fast to change as a plain vector.
#[derive(Debug, Clone)]
pub(super) enum SharedVec<T> {
    Own(Vec<T>),
    Shared(Arc<Vec<T>>),
}

impl<T> SharedVec<T> {
    /// Has the clones made from now on share the elements.
    pub fn share(&mut self) {
        if let Self::Own(own) = self
            && !own.is_empty()
        {
            *self = Self::Shared(Arc::new(std::mem::take(own)));
        }
    }
}

impl<T: Clone> SharedVec<T> {
    /// Returns the elements to be changed. If clones share them, they are copied first.
    pub fn to_mut(&mut self) -> &mut Vec<T> {
        if let Self::Shared(shared) = self {
            *self = Self::Own(Arc::unwrap_or_clone(std::mem::take(shared)));
        }
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => Arc::make_mut(shared),
        }
    }
}

impl<T> Deref for SharedVec<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => shared,
        }
    }
}

impl<T> From<Vec<T>> for SharedVec<T> {
    fn from(own: Vec<T>) -> Self {
        Self::Own(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_elements_until_one_is_changed() {
        let mut first = SharedVec::from(vec![1, 2, 3]);
        first.share();
        let mut second = first.clone();
        assert!(std::ptr::eq(first.as_ptr(), second.as_ptr()));
        second.to_mut().push(4);
        assert_eq!((&*first, &*second), (&vec![1, 2, 3], &vec![1, 2, 3, 4]));
        // The only owner changes the elements in place.
        let before = first.as_ptr();
        first.to_mut()[0] = 5;
        assert!(std::ptr::eq(first.as_ptr(), before));
        assert_eq!(*first, [5, 2, 3]);
    }
}
