//! How many parts a body of so many bytes may have.

/// So many may be as small as they like.
const SMALL_ONES: usize = 1024;

/// What is left of the parts that a body may have.
///
/// A part takes more memory than bytes: a body of many that are smaller than real ones is made to fill memory. The first
/// thousand are taken whatever their size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    left: usize,
}

impl Allowance {
    /// `smallest` is what a real part takes at least, on average.
    pub(crate) fn of(bytes: usize, smallest: usize) -> Self {
        Self { left: bytes / smallest + SMALL_ONES }
    }

    /// Takes so many parts. False where there are not so many left.
    #[inline]
    #[must_use]
    pub(crate) fn take(&mut self, parts: usize) -> bool {
        let left = self.left.checked_sub(parts);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_a_part_for_so_many_bytes_and_a_thousand_more() {
        let mut allowance = Allowance::of(100, 8);
        assert!(allowance.take(12) && allowance.take(SMALL_ONES - 1));
        assert!(!allowance.take(2));
        assert!(allowance.take(1) && !allowance.take(1));
    }
}
