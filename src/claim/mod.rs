//! Who may have a task: decided from what the documents say, what the ledger of this clone says, and what is asked. Pure; the
//! lock, the files and the clock are the runner's.

mod decide;
mod entry;
mod loss;
mod standing;

pub use decide::{Ask, Give, Origin, Pass, Refusal, Taking, Verdict, decide, guard};
pub use entry::{Entry, Moment, Place, State};
pub use loss::{Loss, Why};
pub use standing::{Facts, Home, Left, Record, Sight, Standing, Writing, standing};
