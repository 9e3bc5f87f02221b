//! The transactions that the options of `cms history` choose.

use std::time::SystemTime;

use cms::clock;
use cms::log::Record;

use crate::context::Context;
use crate::failure::Failure;
use crate::records::Users;
use crate::zone;

/// How far the time of a record may be before that of an earlier one, in microseconds.
const BACK: u64 = 3_600_000_000;

/// A point in the log.
enum Point {
    Time(u64),
    Revision(u64),
}

impl Point {
    /// Reads a time, or any form of a revision.
    fn parse(context: &Context, text: &str) -> Result<Self, Failure> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let inner = text.strip_prefix("@{").and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let time =
            zone::parse(inner, clock::micros(SystemTime::now())).filter(|_| !is_number && text != "now");
        let revision = || context.find_revision(text).map(Self::Revision);
        let unknown = |_| {
            Failure::Usage(format!("'{text}' is no time ('10 min ago', '2026-11-21 08:02') and no revision"))
        };
        time.map(Self::Time).map_or_else(revision, Ok).map_err(unknown)
    }
}

/// See the module documentation.
pub struct Chosen {
    since: Option<Point>,
    until: Option<Point>,
    author: Option<String>,
    source: Option<String>,
    grep: Option<String>,
}

impl Chosen {
    pub fn new(context: &Context, since: Option<&str>, until: Option<&str>) -> Result<Self, Failure> {
        let point = |text| Point::parse(context, text);
        let (since, until) = (since.map(point).transpose()?, until.map(point).transpose()?);
        Ok(Self { since, until, author: None, source: None, grep: None })
    }

    /// Chooses those of an author (with or without the place) or a user (by name or number), of programs, and with a message.
    pub fn by(mut self, author: Option<&str>, source: Option<&str>, grep: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (self.author, self.source, self.grep) = (owned(author), owned(source), owned(grep));
        self
    }

    /// Reports whether this record and all older ones are too old.
    pub fn is_before(&self, record: &Record) -> bool {
        match self.since {
            Some(Point::Time(time)) => record.time.saturating_add(BACK) < time,
            Some(Point::Revision(revision)) => record.sequence <= revision,
            None => false,
        }
    }

    pub fn has(&self, record: &Record, users: &mut Users) -> bool {
        let is_since = !matches!(self.since, Some(Point::Time(time)) if record.time < time);
        let is_until = match self.until {
            Some(Point::Time(time)) => record.time <= time,
            Some(Point::Revision(revision)) => record.sequence <= revision,
            None => true,
        };
        let is_author = |author: &String| match record.author.as_str() {
            "" => users.name(record.uid) == author || record.uid.to_string() == *author,
            // The place may be left out.
            given => given == author || given.split_once('@').is_some_and(|(name, _)| name == author),
        };
        is_since
            && is_until
            && self.author.as_ref().is_none_or(is_author)
            && self.source.as_ref().is_none_or(|source| record.source.contains(source))
            && self.grep.as_ref().is_none_or(|text| record.message.contains(text))
    }
}
