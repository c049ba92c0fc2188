//! Moments and spans of time, and how they are written. There is no clock here: whoever needs "now" is given it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A moment on the calendar, in UTC, read to the nanosecond and written to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "i128", into = "i128")]
pub struct Timestamp(jiff::Timestamp);

/// Nanoseconds since 1970.
impl From<Timestamp> for i128 {
    fn from(at: Timestamp) -> Self {
        at.0.as_nanosecond()
    }
}

impl TryFrom<i128> for Timestamp {
    type Error = TimeError;

    fn try_from(ns: i128) -> Result<Self, TimeError> {
        jiff::Timestamp::from_nanosecond(ns).map(Self).map_err(|_| TimeError::Moment(ns.to_string()))
    }
}

/// Says why a text is not a moment or a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not an RFC 3339 moment.
    #[error("`{0}` is not a time such as 2025-10-17T00:00:00Z")]
    Moment(String),
    /// Not a pattern.
    #[error("`{0}` is not a pattern for a date such as %Y-%m-%d %H:%M")]
    Pattern(String),
    /// Not a span.
    #[error("`{0}` is not a span of time such as 30s, 5m, 2h or 7d")]
    Span(String),
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Timestamp {
    /// The moment this many milliseconds after 1970 began; out-of-range values are clamped.
    #[must_use]
    pub fn from_unix_ms(ms: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }))
    }

    /// The moment this many microseconds after 1970 began; out-of-range values are clamped.
    #[must_use]
    pub fn from_unix_us(us: i64) -> Self {
        Self(jiff::Timestamp::from_microsecond(us).unwrap_or(if us < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }))
    }

    /// Microseconds since 1970 began.
    #[must_use]
    pub fn unix_us(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Seconds since 1970 began.
    #[must_use]
    pub fn unix_s(self) -> i64 {
        self.0.as_second()
    }

    /// The moment that is so much later; clamped.
    #[must_use]
    pub fn later_by(self, span: Duration) -> Self {
        Self::from_unix_ms(self.unix_ms().saturating_add(milliseconds(span)))
    }

    /// The moment that is so much earlier; clamped.
    #[must_use]
    pub fn earlier_by(self, span: Duration) -> Self {
        Self::from_unix_ms(self.unix_ms().saturating_sub(milliseconds(span)))
    }

    /// The year and month, `2025-10`.
    #[must_use]
    pub fn month(self) -> String {
        self.0.strftime("%Y-%m").to_string()
    }

    /// The moment in UTC, to the millisecond: `2025-10-17T00:00:00.000Z`.
    #[must_use]
    pub fn to_the_millisecond(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// The moment in UTC with its fraction of a second, if it has one: `2025-10-17T00:00:00.000125Z`.
    #[must_use]
    pub fn exact(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string()
    }

    /// The moment in UTC, written by a pattern as `strftime` has them: `%Y-%m-%d %H:%M`.
    ///
    /// # Errors
    /// [`TimeError::Pattern`] if there is something in it that no moment has.
    pub fn written(self, pattern: &str) -> Result<String, TimeError> {
        let zoned = self.0.to_zoned(jiff::tz::TimeZone::UTC);
        jiff::fmt::strtime::format(pattern, &zoned).map_err(|_| TimeError::Pattern(crate::core::name::visible(pattern)))
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Reads RFC 3339 (`2025-10-17T00:00:00Z`, any offset, any fraction) or a bare date, taken as its midnight in UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let fault = || TimeError::Moment(crate::core::name::visible(text));
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(moment));
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| fault())?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| fault())?;
        Ok(Self(zoned.timestamp()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Reads a span such as `500ms`, `30s`, `5m`, `2h`, `7d`; a bare number is seconds.
///
/// # Errors
/// [`TimeError::Span`] for anything else.
pub fn parse_span(text: &str) -> Result<Duration, TimeError> {
    let fault = || TimeError::Span(crate::core::name::visible(text));
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| fault())?;
    let ms = match &text[digits..] {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    };
    ms.map(Duration::from_millis).ok_or_else(fault)
}

/// How long ago, for people: `12s`, `5m`, `3h`, `2d`; a moment that is still to come is `0s`.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = (now.unix_s() - then.unix_s()).max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How many seconds a zone is ahead of UTC at a moment, by the rules of a compiled zone file (`TZif`, as `/etc/localtime`).
/// `None` if the rules cannot be read.
#[must_use]
pub fn offset_s(rules: &[u8], at: Timestamp) -> Option<i32> {
    jiff::tz::TimeZone::tzif("local", rules).ok().map(|zone| zone.to_offset(at.0).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_offset_and_written_in_utc() {
        for (text, shown) in [
            ("2025-10-17T00:00:00Z", "2025-10-17T00:00:00Z"),
            ("2025-10-17T02:30:00.25+02:30", "2025-10-17T00:00:00Z"),
            ("2025-10-17", "2025-10-17T00:00:00Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().expect(text).to_string(), shown);
        }
        for bad in ["", "yesterday", "2025-13-01T00:00:00Z", "12:00"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_have_units() {
        for (text, ms) in
            [("500ms", 500), ("30", 30_000), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse_span(text).expect(text).as_millis(), ms);
        }
        for bad in ["", "m", "5 m", "-1s", "5y", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn zone_rules_give_an_offset_or_nothing() {
        // The smallest file: version 1, one type of local time, two hours ahead, no changes.
        let mut rules = b"TZif".to_vec();
        rules.extend([0; 16]);
        rules.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4]);
        rules.extend([0, 0, 0x1c, 0x20, 0, 0]);
        rules.extend(b"EET\0");
        assert_eq!(offset_s(&rules, Timestamp::from_unix_ms(0)), Some(7_200));
        assert_eq!(offset_s(b"TZ", Timestamp::from_unix_ms(0)), None);
    }

    #[test]
    fn ages_are_short() {
        let at = |s: i64| Timestamp::from_unix_ms(s * 1_000);
        for (s, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (3_600, "1h"), (172_800, "2d")] {
            assert_eq!(ago(at(0), at(s)), text);
        }
        assert_eq!(ago(at(9), at(0)), "0s");
    }
}
