//! How much of all points a run takes, and where its figures go.

use std::io::Write as _;

use crate::random::Chance;
use crate::support::sized;
use crate::tell;

/// Which part of the points is taken.
pub(crate) struct Share {
    /// At most so many of each kind of fault; none: all.
    limit: Option<usize>,
    chance: Chance,
}

impl Share {
    /// `limit` of each row (`usize::MAX`: all, always), and eight times as many at full size; `MYCELIUM_FAULTS` says another
    /// number, or `all`.
    pub(crate) fn of(test: &str, limit: usize) -> Self {
        let limit = match std::env::var("MYCELIUM_FAULTS").as_deref() {
            _ if limit == usize::MAX => None,
            Ok("all") => None,
            Ok(number) => Some(number.parse().expect("MYCELIUM_FAULTS is a number or `all`")),
            Err(_) => Some(sized("MYCELIUM_FAULTS", limit, 8 * limit)),
        };
        let (chance, seed) = Chance::new();
        match limit {
            None => tell(&format!("{test}: every point")),
            Some(limit) => tell(&format!("{test}: {limit} points a row, seed {seed} (MYCELIUM_SEED)")),
        }
        Self { limit, chance }
    }

    /// Nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.limit.is_none()
    }

    /// The places of every k-th of `count`, from one that chance picks.
    pub(crate) fn places(&mut self, count: usize) -> impl ExactSizeIterator<Item = usize> + use<> {
        let step = self.limit.map_or(1, |limit| count.div_ceil(limit.max(1)).max(1));
        let start = if step == 1 { 0 } else { usize::try_from(self.chance.below(step as u64)).unwrap() };
        (start..count).step_by(step)
    }

    /// Tries a share of the points. `attempt` returns `false` if its run did not make the call: runs differ by a call or two,
    /// and a row of one point could be left with none. Then the call before it is tried instead.
    pub(crate) fn try_each<T>(&mut self, all: &[T], mut attempt: impl FnMut(&T) -> bool) {
        let places = self.places(all.len());
        let stand_ins = if places.len() == all.len() { 0 } else { STAND_INS };
        for chosen in places {
            let _ = (chosen.saturating_sub(stand_ins)..=chosen).rev().find(|place| attempt(&all[*place]));
        }
    }
}

/// How many calls before a chosen one are tried instead of it.
const STAND_INS: usize = 8;

/// Tells a row of a table, and adds it to the file that `MYCELIUM_FAULTS_TABLE` names.
pub(crate) fn row(table: &str, cells: &[&str]) {
    let line = format!("| {} |", cells.join(" | "));
    tell(&format!("{table}: {line}"));
    if let Some(file) = std::env::var_os("MYCELIUM_FAULTS_TABLE") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
        file.write_all(format!("{table}\t{line}\n").as_bytes()).unwrap();
    }
}
