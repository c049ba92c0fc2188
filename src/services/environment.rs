//! What the process is given from outside: variables, folders, the clock and randomness. The one place that reads them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::Encoding;
use etcetera::BaseStrategy;

use super::Error;
use crate::core::name::{DocId, Kind, OperationId};
use crate::core::time::Timestamp;

/// Characters of a random id: 10 of 32 signs are 50 bits, so that a million ids collide once in 2,000 tries.
const ID_CHARACTERS: usize = 10;
/// Characters of the name of a file of events: as many as two clones need never to choose one name.
const LOG_CHARACTERS: usize = 8;
/// Characters of an operation id (80 bits): they are never checked against others.
const OPERATION_CHARACTERS: usize = 16;

/// One variable of the environment; empty counts as absent.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// What follows this start in the names of variables of the environment.
pub(super) fn names_with(start: &str) -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter_map(|name| name.strip_prefix(start).map(str::to_owned)).collect()
}

/// The folder the process was started in.
///
/// # Errors
/// [`Error::Folder`] if it is gone.
pub(super) fn current_folder() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|source| Error::Folder { path: PathBuf::from("."), source })
}

/// The user's own configuration file: `MYCELIUM_CONFIG`, else `mycelium/config.json` in the user's configuration folder.
#[must_use]
pub fn user_config() -> Option<PathBuf> {
    if let Some(path) = variable("MYCELIUM_CONFIG") {
        return Some(PathBuf::from(path));
    }
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("mycelium").join("config.json"))
}

/// The user's home folder, if there is one.
#[must_use]
pub fn home() -> Option<PathBuf> {
    etcetera::home_dir().ok()
}

/// The folder for run state where there is no git directory: the user's state folder.
///
/// # Errors
/// [`Error::NoHome`] if the user has no home folder.
pub(super) fn user_state() -> Result<PathBuf, Error> {
    let base = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("mycelium"))
}

/// The folder for the user's data, as most programs choose it.
///
/// # Errors
/// [`Error::NoHome`] if the user has no home folder.
pub(super) fn user_data() -> Result<PathBuf, Error> {
    if cfg!(target_os = "macos") {
        return Ok(home().ok_or(Error::NoHome)?.join("Library/Application Support"));
    }
    Ok(etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?.data_dir())
}

/// The moment by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    let ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp::from_unix_ms(ms)
}

/// The moment at which a document is made: to the microsecond, and later than any that this process was given before, so
/// that what is made one after the other keeps its order.
#[must_use]
pub(super) fn moment_of_creation() -> Timestamp {
    static LAST_US: AtomicI64 = AtomicI64::new(0);
    // A clock that was put back by more than this is believed.
    const AHEAD_US_MAX: i64 = 1_000_000;
    let now = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(_) => now().unix_us(),
    };
    let next = |last: i64| if last >= now && last - now < AHEAD_US_MAX { last + 1 } else { now };
    let last = LAST_US.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    Timestamp::from_unix_us(next(last.unwrap_or_default()))
}

/// A new random id of a kind, `task-k7f3q2m9xa`.
///
/// # Errors
/// [`Error::Randomness`] if the system gives no random bytes.
pub(super) fn new_id(kind: Kind) -> Result<DocId, Error> {
    let text = format!("{}{}", kind.prefix(), random_text(ID_CHARACTERS)?);
    Ok(DocId::new(text).expect("a prefix and base-32 signs are a name"))
}

/// A new random name for a file of published events.
///
/// # Errors
/// [`Error::Randomness`] if the system gives no random bytes.
pub(super) fn new_log() -> Result<String, Error> {
    random_text(LOG_CHARACTERS)
}

/// A random number.
///
/// # Errors
/// [`Error::Randomness`] if the system gives no random bytes.
pub(super) fn random() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::Randomness(error.to_string()))
}

/// A new random name for what must not be guessed or met twice.
///
/// # Errors
/// [`Error::Randomness`] if the system gives no random bytes.
pub(super) fn new_node() -> Result<String, Error> {
    random_text(OPERATION_CHARACTERS)
}

/// A new random operation id.
///
/// # Errors
/// [`Error::Randomness`] if the system gives no random bytes.
pub(super) fn new_operation() -> Result<OperationId, Error> {
    let text = format!("op-{}", random_text(OPERATION_CHARACTERS)?);
    Ok(OperationId::new(text).expect("a prefix and base-32 signs are a name"))
}

fn random_text(characters: usize) -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Randomness(error.to_string()))?;
    let mut text = base32().encode(&bytes);
    text.truncate(characters);
    Ok(text)
}

/// Lower-case base 32 without the letters that are read as digits or spell words (Crockford's alphabet).
fn base32() -> Encoding {
    let mut specification = data_encoding::Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification.encoding().expect("32 different signs are an encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_names_with_their_kind() {
        let one = new_id(Kind::Task).expect("random");
        let two = new_id(Kind::Task).expect("random");
        assert_ne!(one, two);
        assert!(one.as_str().starts_with("task-") && one.as_str().len() == 15, "{one}");
        assert_eq!(new_operation().expect("random").as_str().len(), 19);
    }
}
