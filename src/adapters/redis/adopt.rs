//! Entries of a queue that become documents: of all who see one, one takes it, and what it does not live to finish is found by
//! the others.

use redis::cmd;

use super::error::BridgeError;
use super::link::Link;
use super::news::{list, number, text};

impl Link {
    /// Takes an entry of another program out of a queue and notes it in the hash `adopted` under an id, in one step. Gives
    /// whether it was still there.
    ///
    /// # Errors
    /// [`BridgeError`]; if [`BridgeError::is_unknown`] it may have been taken: then it is among [`Link::adopted`].
    pub fn adopt(&self, adopted: &str, queue: &str, entry: &str, id: &str) -> Result<bool, BridgeError> {
        let answer = self.run(&self.scripts.adopt, &[queue, adopted], &[entry.into(), id.into()])?;
        Ok(number(answer) == Some(1))
    }

    /// The entries that were taken and are not documents yet: id and entry.
    ///
    /// # Errors
    /// [`BridgeError`].
    pub fn adopted(&self, adopted: &str) -> Result<Vec<(String, String)>, BridgeError> {
        let mut command = cmd("HGETALL");
        command.arg(adopted);
        let answer = match self.one(&command) {
            Err(error) if error.is_wrong_type() => {
                self.delete(&[adopted.to_owned()])?;
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        let pairs = match answer {
            redis::Value::Map(pairs) => {
                pairs.into_iter().filter_map(|(id, entry)| Some((text(id)?, text(entry)?))).collect()
            }
            other => {
                let flat: Vec<String> = list(other).unwrap_or_default().into_iter().filter_map(text).collect();
                flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
            }
        };
        Ok(pairs)
    }

    /// The entry is a document now.
    ///
    /// # Errors
    /// [`BridgeError`]. To do it again is harmless.
    pub fn settle(&self, adopted: &str, id: &str) -> Result<(), BridgeError> {
        let mut command = cmd("HDEL");
        command.arg(adopted).arg(id);
        self.one(&command).map(|_| ())
    }
}
