//! The time zone of the person at the terminal: `TZ`, or that of the system. Times in JSON are UTC.

use std::borrow::Cow;
use std::sync::OnceLock;

use cms::clock;
use cms::environment::variable;
use tz::TimeZone;

static ZONE: OnceLock<Option<TimeZone>> = OnceLock::new();

/// Shows and reads all times in UTC from here on. Call this before the first time is shown.
pub fn use_utc() {
    let _ = ZONE.set(None);
}

/// Returns the local zone; `None` for UTC, also if the zone is not known.
fn zone() -> Option<&'static TimeZone> {
    let local = || match (variable("TZ"), std::env::var_os("TZ")) {
        (Some(name), _) => TimeZone::from_posix_tz(name.to_str()?).ok(),
        (None, Some(name)) if name.is_empty() => None,
        (None, _) => TimeZone::local().ok(),
    };
    ZONE.get_or_init(local).as_ref()
}

/// Returns how far local time is ahead of UTC, in seconds.
fn offset(micros: u64) -> i64 {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX);
    let local = zone().and_then(|zone| zone.find_local_time_type(seconds).ok());
    local.map_or(0, |local| local.ut_offset().into())
}

fn moved(micros: u64, seconds: i64) -> u64 {
    micros.saturating_add_signed(seconds.saturating_mul(1_000_000))
}

/// Writes a time with its offset, without fractions of a second: `2026-11-21T09:02:22+01:00`, in UTC with a `Z`.
pub fn show(micros: u64) -> String {
    let offset = offset(micros);
    let mut text = clock::show(moved(micros, offset));
    text.truncate("2026-11-21T09:02:22".len());
    if offset == 0 {
        text.push('Z');
        return text;
    }
    let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
    text + &format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Reads a time as [`clock::parse`] does; a date without a `Z` or an offset is local time.
pub fn parse(text: &str, now: u64) -> Option<u64> {
    let time = clock::parse(text, now)?;
    let has_offset = text.trim().get("2026-11-21".len()..).is_some_and(|rest| rest.contains(['+', '-']));
    let is_absolute = has_offset || text.trim() == "now" || text.trim_end().ends_with(['Z', 'o']);
    if is_absolute {
        return Some(time);
    }
    // The offset of the time itself, which differs from that of `time` near a change of the clocks.
    let first = moved(time, -offset(time));
    Some(moved(time, -offset(first)))
}

/// Returns the name of a revision with its time in UTC, as the library reads it: `@{2026-11-21 09:02}` is local time for
/// people.
pub fn revision(spec: &str) -> Cow<'_, str> {
    let inner = spec.strip_prefix("@{").and_then(|rest| rest.strip_suffix('}'));
    let is_relative = |text: &&str| text.trim() == "now" || text.trim_end().ends_with("ago");
    let time = inner.filter(|text| !is_relative(text)).and_then(|text| parse(text, 0));
    time.map_or(Cow::Borrowed(spec), |time| Cow::Owned(format!("@{{{}}}", clock::show(time))))
}
