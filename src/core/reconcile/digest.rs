//! Names for versions of a text.

use sha1::{Digest as _, Sha1};

/// Returns the SHA-1 of a text in hexadecimal digits.
#[must_use]
pub fn digest(text: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    Sha1::digest(text).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
