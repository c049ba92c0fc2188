//! Chance for tests: a small generator (xorshift64*, Vigna 2016) whose seed is shown when a test fails.

/// The seed of the ordinary run (any number will do).
const SEED: u64 = 2_463_534_242;

/// A source of numbers, the same for the same seed.
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    /// From `MYCELIUM_SEED`, else always the same, so that the ordinary run says the same of the same source twice;
    /// `tests/faults/all` takes another each time. The seed is returned to be shown.
    pub(crate) fn new() -> (Self, u64) {
        let given = std::env::var("MYCELIUM_SEED").ok().map(|text| text.parse().expect("a number"));
        let seed: u64 = given.unwrap_or(SEED);
        (Self { state: seed.max(1) }, seed)
    }

    /// A number from 0 to `limit`, the limit left out.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}
