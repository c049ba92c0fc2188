//! How much the long tests do: little by default, everything in `tests/run --full`. `docs/testing.md` has the sizes.
#![allow(dead_code, reason = "each test file uses its part")]

/// A number from the environment, such as a seed.
pub(crate) fn number(variable: &str, normal: usize) -> usize {
    std::env::var(variable).ok().map_or(normal, |text| text.parse().expect("a number"))
}

/// How many rounds of a long test are run: `quick`, or `full` where `MYCELIUM_TEST_SIZE` is `full`. The variable, if it is
/// set, says another number for this test alone.
pub(crate) fn sized(variable: &str, quick: usize, full: usize) -> usize {
    let is_full = match std::env::var("MYCELIUM_TEST_SIZE").as_deref() {
        Ok("full") => true,
        Ok("quick") | Err(_) => false,
        Ok(other) => panic!("MYCELIUM_TEST_SIZE is `{other}`; it is `quick` or `full`"),
    };
    number(variable, if is_full { full } else { quick })
}
