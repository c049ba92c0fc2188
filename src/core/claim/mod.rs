//! Who may have a task: decided from what the documents say, what the ledger of this clone says, and what is asked. Pure; the
//! lock, the files and the clock are the runner's.

mod decide;
mod entry;
mod loss;
mod standing;

pub use decide::{Ask, Give, Origin, Pass, Refusal, Taking, Verdict, decide, guard, lost_since};
pub use entry::{Entry, FormerHolder, Moment, Place, State};
pub use loss::{Loss, Why};
pub use standing::{Facts, Home, Left, Record, Sight, Standing, Writing, late_holder, over_for, standing};
