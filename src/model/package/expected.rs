//! Conditions of changes, and sums: what depends on the value that is there.

use super::{Package, Value};
use crate::error::{Error, Result, shown};
use crate::model::convert;
use crate::model::value_type::ValueType;

/// What a key must be like for a change to be made; see [`crate::Transaction::expect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected<'e> {
    /// It has this value. For a number and a truth value, another spelling of the same value will do.
    Value(&'e [u8]),
    /// It does not exist.
    Missing,
    /// No transaction after this one has changed it.
    Revision(u64),
}

impl Expected<'_> {
    /// Returns why a key is not as expected; `None` if it is, or if that depends on the log. `found` is the text of its
    /// value, `None` for a list, and the type; `show` returns a value as people see it.
    #[must_use]
    pub fn mismatch(
        self,
        found: Option<(Option<&[u8]>, ValueType)>,
        show: &dyn Fn(&[u8]) -> String,
    ) -> Option<String> {
        match (self, found) {
            (Self::Revision(_), _) | (Self::Missing, None) => None,
            (Self::Missing, Some(_)) => Some("it exists".to_owned()),
            (Self::Value(_), None) => Some("it does not exist".to_owned()),
            (Self::Value(wanted), Some((Some(text), value_type))) => (!is_same(text, wanted, value_type))
                .then(|| format!("its value is {}, not {}", show(text), show(wanted))),
            (Self::Value(_), Some((None, _))) => Some("its value is a list".to_owned()),
        }
    }
}

impl Package {
    /// Returns the sum of an option, as a whole number, and another number. An option that does not exist counts as 0.
    ///
    /// # Errors
    ///
    /// [`Error::Type`] if the value is no whole number; [`Error::Range`] if it or the sum does not fit into 64 bits;
    /// [`Error::Invalid`] for a list.
    pub fn sum(&self, section: &[u8], option: &[u8], by: i64) -> Result<i64> {
        let key = || shown::name(&[self.name(), section, option].join(&b'.'));
        let found = self.section(section).and_then(|section| section.option(option));
        let was = match found.map(|found| (found.value(), found.value_type())) {
            None => 0,
            Some((Value::String(text), value_type)) => {
                convert::integer_of(text, value_type).map_err(|why| match why.is_out_of_range() {
                    true => Error::Range { key: key(), text: shown::name(text) },
                    false => {
                        Error::Type { key: key(), text: shown::name(text), value_type: ValueType::Int.name() }
                    }
                })?
            }
            Some((Value::List(_), _)) => {
                return Err(Error::invalid(key().as_bytes(), "a list is no number"));
            }
        };
        was.checked_add(by).ok_or_else(|| Error::Range {
            key: key(),
            text: format!("{was} {} {}", if by < 0 { '-' } else { '+' }, by.unsigned_abs()),
        })
    }
}

/// Reports whether two texts are the same value of a type.
fn is_same(text: &[u8], other: &[u8], value_type: ValueType) -> bool {
    let same_number = |a: Option<f64>, b: Option<f64>| a.is_some() && a == b;
    text == other
        || match value_type {
            ValueType::Int => {
                let number = |text| convert::integer_of(text, value_type).ok();
                number(text).is_some() && number(text) == number(other)
            }
            ValueType::Float => {
                let number = |text| convert::number_of(text, value_type).ok();
                same_number(number(text), number(other))
            }
            ValueType::Bool => {
                let is_on = |text| convert::boolean(text).ok();
                is_on(text).is_some() && is_on(text) == is_on(other)
            }
            _ => false,
        }
}
