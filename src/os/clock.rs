//! Times as people write them, and the uptime of the system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The uptime of the system, and the id of the boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "of a seam for tests")]
pub struct Uptime {
    /// The id of the boot: it differs after every boot.
    pub boot: [u8; 16],
    /// The uptime, including time in suspension. Setting the clock does not change it.
    pub running: Duration,
}

/// Reads it from `/proc`, to hundredths of a second. Without `/proc` it uses the clock.
#[must_use]
pub fn uptime() -> Uptime {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let running = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
    let running = running.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let since_1970 = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut boot = [0; 16];
    let digits: Vec<u32> = id.chars().filter_map(|digit| digit.to_digit(16)).collect();
    for (byte, pair) in boot.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).unwrap_or(0);
    }
    Uptime { boot, running: running.unwrap_or_else(since_1970) }
}

/// Returns a time as microseconds since 1970; 0 for one before.
#[must_use]
pub fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

const DAY: u64 = 86_400;

/// Writes microseconds since 1970 as `2026-11-21T08:02:22.123456Z`.
#[must_use]
pub fn show(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// The date of a day counted from 1970, after Howard Hinnant's `civil_from_days`: years start in March, so that a
/// leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// The day of a date, counted from 1970; `None` if there is no such date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)?;
    (date(days) == (year, month, day)).then_some(days)
}

/// Reads a point in time: `10 min ago`, `2026-11-21`, `2026-11-21T08:02`, `2026-11-21 08:02:22.5`, all of them in
/// UTC if no offset (`+01:00`) follows, or `now`. Returns microseconds since 1970.
#[must_use]
pub fn parse(text: &str, now: u64) -> Option<u64> {
    let text = text.trim();
    if text == "now" {
        return Some(now);
    }
    if let Some(span) = text.strip_suffix("ago") {
        let micros = u64::try_from(parse_span(span.trim())?.as_micros()).ok()?;
        return now.checked_sub(micros);
    }
    let (text, ahead) = without_offset(text.strip_suffix('Z').unwrap_or(text))?;
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let days = days(parts.next()??, parts.next()??, parts.next()??)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let micros: u64 = match fraction {
        "" => 0,
        digits if digits.len() <= 6 => {
            digits.parse::<u64>().ok()? * 10_u64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    let fits = hour < 24 && minute < 60 && second < 61;
    let local = (days * DAY + hour * 3600 + minute * 60 + second) * 1_000_000 + micros;
    local.checked_add_signed(-ahead * 60_000_000).filter(|_| fits)
}

/// Splits `+01:00` from a time: returns the time without it, and by how many minutes it is ahead of UTC.
fn without_offset(text: &str) -> Option<(&str, i64)> {
    const DATE: usize = "2026-11-21".len();
    let behind_date = text.get(DATE..).unwrap_or_default();
    let Some(at) = behind_date.rfind(['+', '-']) else { return Some((text, 0)) };
    let (time, offset) = text.split_at(DATE + at);
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| (0..60).contains(number));
    let minutes = number(hours)? * 60 + number(minutes)?;
    Some((time, if offset.starts_with('-') { -minutes } else { minutes }))
}

/// Reads a span of time: a number and a unit, `s`, `min`, `h`, `days` and the like; without a unit, seconds.
#[must_use]
pub fn parse_span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "ms" => 0.001,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// Writes a span of time for people, rounded up to two units at most: `40 s`, `2 min`, `1 min 30 s`, `3 h 20 min`.
#[must_use]
pub fn show_span(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    let two = |many: u64, unit: &str, few: u64, below: &str| match few {
        0 => format!("{many} {unit}"),
        _ => format!("{many} {unit} {few} {below}"),
    };
    let minutes = seconds.div_ceil(60);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(seconds / 60, "min", seconds % 60, "s"),
        600..3600 => format!("{minutes} min"),
        3600..172_800 => two(minutes / 60, "h", minutes % 60, "min"),
        _ => format!("{} days", seconds.div_ceil(DAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
            (951_868_799_000_000, "2000-02-29T23:59:59.000000Z"),
            (1_795_248_142_123_456, "2026-11-21T08:02:22.123456Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(show(micros), text);
            assert_eq!(parse(text, 0), Some(micros));
        }
        for day in 0..60_000 {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), Some(day));
        }
    }

    #[test]
    fn a_time_may_have_an_offset() {
        let utc = parse("2026-11-21T08:02:22", 0);
        assert!(utc.is_some());
        for same in ["2026-11-21T09:02:22+01:00", "2026-11-21 02:32:22-05:30", "2026-11-21T08:02:22+00:00"] {
            assert_eq!(parse(same, 0), utc, "{same}");
        }
        for wrong in
            ["2026-11-21T08:02+1", "2026-11-21T08:02+01:60", "2026-11-21T08:02+:", "2026-11-21T+01:00"]
        {
            assert_eq!(parse(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn people_may_write_less() {
        let now = 1_795_248_142_000_000;
        assert_eq!(parse("10 min ago", now), Some(now - 600_000_000));
        assert_eq!(parse("2h ago", now), Some(now - 7_200_000_000));
        assert_eq!(parse("now", now), Some(now));
        assert_eq!(parse("2026-11-21", now), parse("2026-11-21T00:00:00Z", now));
        assert_eq!(parse("2026-11-21 08:02", now), parse("2026-11-21T08:02:00.0Z", now));
        for wrong in
            ["", "2026-02-30", "2026-13-01", "yesterday", "2026-11-21T25:00", "5 moons ago", "-1s ago"]
        {
            assert_eq!(parse(wrong, now), None, "{wrong}");
        }
        assert_eq!(parse_span("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(parse_span("300"), Some(Duration::from_secs(300)));
        assert_eq!(parse_span("5 parsecs"), None);
    }

    #[test]
    fn spans_are_told_as_people_say_them() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (1.2, "2 s"),
            (119.5, "2 min"),
            (90.0, "1 min 30 s"),
            (3599.0, "60 min"),
            (3600.0, "1 h"),
            (12_000.0, "3 h 20 min"),
            (259_200.0, "3 days"),
        ] {
            assert_eq!(show_span(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn the_system_knows_how_long_it_runs() {
        let (first, second) = (uptime(), uptime());
        assert_eq!(first.boot, second.boot);
        assert!(first.running <= second.running && first.running > Duration::ZERO);
    }
}
