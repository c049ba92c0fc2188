//! How far a long piece of work is: whoever works counts, whoever shows it looks. Nothing is shown here.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Work that may take long, as it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing {
    /// What is done, as `reading documents`.
    pub what: &'static str,
    /// How much of it is done.
    pub done: usize,
    /// How much there is; 0 if that cannot be counted.
    pub total: usize,
}

/// What a project is doing, for those who look from another thread. A clone looks at the same work.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pieces: Arc<Mutex<Vec<Arc<Piece>>>>,
}

#[derive(Debug)]
struct Piece {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
}

/// A piece of work; it ends when this goes.
#[derive(Debug)]
pub(super) struct Work {
    progress: Progress,
    piece: Arc<Piece>,
}

impl Progress {
    /// The work that was begun last and is not done; `None` if nothing is under way.
    #[must_use]
    pub fn now(&self) -> Option<Doing> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = pieces.last()?;
        Some(Doing { what: piece.what, done: piece.done.load(Ordering::Relaxed), total: piece.total })
    }

    /// Begins a piece of work.
    pub(super) fn begin(&self, what: &'static str, total: usize) -> Work {
        let piece = Arc::new(Piece { what, total, done: AtomicUsize::new(0) });
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&piece));
        Work { progress: self.clone(), piece }
    }
}

impl Work {
    /// One more is done.
    pub(super) fn step(&self) {
        self.piece.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut pieces = self.progress.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.retain(|piece| !Arc::ptr_eq(piece, &self.piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_work_is_what_is_done() {
        let progress = Progress::default();
        assert_eq!(progress.now(), None);
        let outer = progress.begin("committing", 0);
        let inner = progress.begin("reading", 2);
        inner.step();
        assert_eq!(progress.now(), Some(Doing { what: "reading", done: 1, total: 2 }));
        drop(inner);
        assert_eq!(progress.now(), Some(Doing { what: "committing", done: 0, total: 0 }));
        drop(outer);
        assert_eq!(progress.now(), None);
    }
}
