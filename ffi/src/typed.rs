//! Typed reads: what those of stores, snapshots, prepared keys and transactions share; and the conversion of text.

use std::ffi::c_char;
use std::fmt::Display;

use cms_core::log::Content;
use cms_core::map::{Answer, Hot, KeyText, MapValue, TypedValue};
use cms_core::typed::{self as convert, NotA};
use cms_core::{Prepared, Snapshot, Store, Transaction, ValueType};

use crate::handle::{
    bytes, check, check_buffer, handle, handle_mut, key_text, optional, put_value, required, write_result,
};
use crate::key::cms_key;
use crate::open::cms_store;
use crate::snapshot::cms_snapshot;
use crate::status::{Failure, Unfit, cms_status, guard, missed};
use crate::store::{IS_A_LIST, explain};
use crate::txn::cms_txn;

/// What a typed read reads.
pub trait Source {
    /// Calls `take` with the string that the key holds.
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure>;

    /// As `read`, with the type of the value; a list is taken as one without a text.
    fn read_typed(&mut self, take: &mut dyn FnMut(&[u8], ValueType)) -> Result<(), Failure>;

    /// Returns the store, and the key.
    fn place(&self) -> (&Store, &[u8]);
}

/// A type that values are converted to.
pub trait Typed: Copy + PartialOrd + Display {
    /// Converts the text of a value of a type.
    fn convert(text: &[u8], value_type: ValueType) -> Result<Self, NotA>;

    /// As `convert`, for the spellings that are read the same way whatever the type is, and nearly all values have;
    /// `None` for others.
    fn quick(text: &[u8]) -> Option<Self>;
}

impl Typed for i64 {
    fn convert(text: &[u8], value_type: ValueType) -> Result<Self, NotA> {
        convert::integer_of(text, value_type)
    }

    #[inline(always)]
    fn quick(text: &[u8]) -> Option<Self> {
        convert::short_integer(text)
    }
}

/// In C a truth value is an `int`.
impl Typed for i32 {
    fn convert(text: &[u8], _: ValueType) -> Result<Self, NotA> {
        convert::boolean(text).map(Self::from)
    }

    #[inline(always)]
    fn quick(text: &[u8]) -> Option<Self> {
        convert::boolean(text).ok().map(Self::from)
    }
}

impl Typed for f64 {
    fn convert(text: &[u8], value_type: ValueType) -> Result<Self, NotA> {
        convert::number_of(text, value_type)
    }

    #[inline(always)]
    fn quick(text: &[u8]) -> Option<Self> {
        convert::short_number(text)
    }
}

impl Typed for u64 {
    fn convert(text: &[u8], value_type: ValueType) -> Result<Self, NotA> {
        convert::size_of(text, value_type)
    }

    #[inline(always)]
    fn quick(text: &[u8]) -> Option<Self> {
        convert::short_integer(text).and_then(|number| Self::try_from(number).ok())
    }
}

/// A key of a store.
pub struct OfStore<'a>(&'a Store, KeyText<'a>);

impl OfStore<'_> {
    /// # Safety
    ///
    /// C1, C2; it is used during the call from C alone.
    pub unsafe fn new(store: *const cms_store, key: *const c_char) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        let store = unsafe { handle(store, "store") }?;
        required(key.cast_mut(), "key")?;
        // SAFETY: not NULL, C2.
        Ok(Self(&store.0, unsafe { key_text(key) }))
    }
}

impl Source for OfStore<'_> {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        // In the order of `cms_get`.
        let answer = match self.0.peek_hot(self.1, &mut *take) {
            Hot::Found(()) => return Ok(()),
            Hot::Absent => self.0.peek_next(self.1, &mut *take),
            Hot::Skipped => self.0.peek_text(self.1, &mut *take),
        };
        match answer {
            Answer::Found(()) => Ok(()),
            Answer::Missing(key) => Err(Failure::Missing(key.to_vec())),
            Answer::Unknown => self.read_slowly(take),
        }
    }

    fn read_typed(&mut self, take: &mut dyn FnMut(&[u8], ValueType)) -> Result<(), Failure> {
        let (store, key) = (self.0, self.1.to_bytes());
        match store.get_typed(key, |typed| take_text(typed, take)) {
            Ok(Some(())) => Ok(()),
            other => Err(explain(store, key, other)),
        }
    }

    fn place(&self) -> (&Store, &[u8]) {
        (self.0, self.1.to_bytes())
    }
}

impl OfStore<'_> {
    /// As [`Source::read`], where the fast way cannot tell.
    #[cold]
    pub fn read_slowly(&self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let (store, key) = (self.0, self.1.to_bytes());
        let found = store.get(key, |value| match value {
            MapValue::String(string) => {
                take(string);
                true
            }
            MapValue::List(_) => false,
        });
        match found {
            Ok(Some(true)) => Ok(()),
            other => Err(explain(store, key, other)),
        }
    }
}

/// A key of a snapshot.
pub struct OfSnapshot<'a>(&'a Snapshot, &'a [u8]);

impl OfSnapshot<'_> {
    /// # Safety
    ///
    /// As for [`OfStore::new`].
    pub unsafe fn new(snapshot: *const cms_snapshot, key: *const c_char) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        let snapshot = unsafe { handle(snapshot, "snapshot") }?;
        // SAFETY: C2.
        Ok(Self(&snapshot.0, unsafe { bytes(key, "key") }?))
    }
}

impl Source for OfSnapshot<'_> {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        match self.0.get(self.1) {
            Ok(Some(MapValue::String(string))) => take(string),
            other => return Err(explain(self.0.store(), self.1, other)),
        }
        Ok(())
    }

    fn read_typed(&mut self, take: &mut dyn FnMut(&[u8], ValueType)) -> Result<(), Failure> {
        match self.0.get_typed(self.1) {
            Ok(Some(typed)) => take_text(typed, take),
            other => return Err(explain(self.0.store(), self.1, other)),
        }
        Ok(())
    }

    fn place(&self) -> (&Store, &[u8]) {
        (self.0.store(), self.1)
    }
}

/// A prepared key.
pub struct OfKey<'a>(&'a mut Prepared);

impl OfKey<'_> {
    /// # Safety
    ///
    /// C1 and C4; it is used during the call from C alone.
    pub unsafe fn new(key: *mut cms_key) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        Ok(Self(&mut unsafe { handle_mut(key, "key") }?.0))
    }
}

impl Source for OfKey<'_> {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let found = match self.0.get() {
            Ok(Some(MapValue::String(string))) => {
                take(string);
                return Ok(());
            }
            other => other.map(|found| found.map(drop)),
        };
        Err(explain(self.0.store(), self.0.key(), found))
    }

    fn read_typed(&mut self, take: &mut dyn FnMut(&[u8], ValueType)) -> Result<(), Failure> {
        let found = match self.0.get_typed() {
            Ok(Some(typed)) => {
                take_text(typed, take);
                return Ok(());
            }
            other => other.map(|found| found.map(drop)),
        };
        Err(explain(self.0.store(), self.0.key(), found))
    }

    fn place(&self) -> (&Store, &[u8]) {
        (self.0.store(), self.0.key())
    }
}

/// A key of a transaction.
pub struct OfTxn<'a>(&'a mut Transaction, &'a [u8]);

impl<'a> OfTxn<'a> {
    pub fn of(txn: &'a mut cms_txn, key: &'a [u8]) -> Self {
        Self(&mut txn.0, key)
    }

    /// # Safety
    ///
    /// C1, C2 and C4; it is used during the call from C alone.
    pub unsafe fn new(txn: *mut cms_txn, key: *const c_char) -> Result<Self, Failure> {
        // SAFETY: the caller's promise.
        let txn = unsafe { handle_mut(txn, "txn") }?;
        // SAFETY: C2.
        let key = unsafe { bytes(key, "key") }?;
        check(key, "key")?;
        Ok(Self(&mut txn.0, key))
    }
}

impl Source for OfTxn<'_> {
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        match self.0.get(self.1)? {
            Some(Content::String(string)) => take(&string),
            Some(Content::List(_)) => return Err(Unfit::list(self.1, self.0.store())),
            None => return Err(Failure::Missing(self.1.to_vec())),
        }
        Ok(())
    }

    fn read_typed(&mut self, take: &mut dyn FnMut(&[u8], ValueType)) -> Result<(), Failure> {
        match self.0.get_typed(self.1)? {
            Some((Content::String(string), value_type)) => take(&string, value_type),
            Some((Content::List(_), value_type)) => take(b"", value_type),
            None => return Err(Failure::Missing(self.1.to_vec())),
        }
        Ok(())
    }

    fn place(&self) -> (&Store, &[u8]) {
        (self.0.store(), self.1)
    }
}

/// Reads a value that this process has found before, or that is found at once, and converts it: the common case of typed
/// reads. A key that is missing gets the fallback. `None` leaves it to the general case, which also tells what is wrong.
///
/// # Safety
///
/// C1, C2, C5.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(always)]
pub unsafe fn hot<T: Typed>(
    store: *const cms_store,
    key: *const c_char,
    fallback: T,
    limits: Option<(T, T)>,
    value: *mut T,
) -> Option<cms_status> {
    let is_refused = limits.is_some_and(|(least, most)| least > most);
    if store.is_null() || key.is_null() || value.is_null() || is_refused {
        return None;
    }
    // SAFETY: not NULL, C1.
    let store = &unsafe { &*store }.0;
    // SAFETY: not NULL, C2.
    let text = unsafe { key_text(key) };
    let answer = match store.peek_hot(text, T::quick) {
        Hot::Found(found) => Answer::Found(found),
        // The read that enters the key.
        Hot::Absent => store.peek_next(text, T::quick),
        Hot::Skipped => store.peek_text(text, T::quick),
    };
    let (found, status) = match answer {
        Answer::Found(found) => (found?, cms_status::CMS_OK),
        Answer::Missing(key) => (fallback, missed(key)),
        Answer::Unknown => return None,
    };
    let fits = |(least, most)| least <= found && found <= most;
    if status == cms_status::CMS_OK && !limits.is_none_or(fits) {
        return None;
    }
    // SAFETY: not NULL, C5.
    unsafe { write_result(value, found) };
    Some(status)
}

/// As `hot`, of a snapshot.
///
/// # Safety
///
/// C1, C2.
#[cfg_attr(cms_speed, optimize(speed))]
#[inline(always)]
pub unsafe fn hot_of_snapshot<T: Typed>(snapshot: *const cms_snapshot, key: *const c_char) -> Option<T> {
    if snapshot.is_null() || key.is_null() {
        return None;
    }
    // SAFETY: not NULL, C1.
    let snapshot = &unsafe { &*snapshot }.0;
    // SAFETY: not NULL, C2.
    let text = unsafe { key_text(key) };
    match snapshot.peek_hot(text) {
        Hot::Found(value) => T::quick(value),
        Hot::Absent => match snapshot.peek_next(text) {
            Answer::Found(value) => T::quick(value),
            _ => None,
        },
        Hot::Skipped => match snapshot.peek_text(text) {
            Answer::Found(value) => T::quick(value),
            _ => None,
        },
    }
}

/// As `hot`, of a prepared key.
///
/// # Safety
///
/// C1, C4.
#[inline(always)]
pub unsafe fn hot_of_key<T: Typed>(key: *const cms_key) -> Option<T> {
    // SAFETY: C1, C4.
    match unsafe { key.as_ref() }?.0.peek() {
        Some(MapValue::String(text)) => T::quick(text),
        _ => None,
    }
}

fn take_text(typed: TypedValue<'_>, take: &mut dyn FnMut(&[u8], ValueType)) {
    match typed.value {
        MapValue::String(text) => take(text, typed.value_type),
        MapValue::List(_) => take(b"", typed.value_type),
    }
}

impl Unfit {
    /// A list where a string was asked for.
    #[cold]
    pub fn list(key: &[u8], store: &Store) -> Failure {
        let (line, why) = (store.text_line(key).ok(), IS_A_LIST.into());
        Failure::Unfit(Box::new(Self { key: key.to_vec(), value: None, why, is_number: false, line }))
    }

    /// A value that cannot be converted, or is outside of the limits.
    #[cold]
    fn of(
        source: &dyn Source,
        value: &[u8],
        why: std::borrow::Cow<'static, str>,
        is_number: bool,
    ) -> Failure {
        let (store, key) = source.place();
        let (line, value) = (store.text_line(key).ok(), Some(value.to_vec()));
        Failure::Unfit(Box::new(Self { key: key.to_vec(), value, why, is_number, line }))
    }
}

/// Reads a value of a type. All typed reads share this function.
///
/// # Safety
///
/// C5.
pub unsafe fn typed<T: Typed>(
    source: Result<impl Source, Failure>,
    fallback: T,
    limits: Option<(T, T)>,
    value: *mut T,
) -> cms_status {
    guard(|| {
        let value = required(value, "value")?;
        // SAFETY: C5. The fallback is written in any case, as the header says of these functions.
        unsafe { write_result(value, fallback) };
        if limits.is_some_and(|(least, most)| least > most) {
            return Err(Failure::Invalid("least", "greater than `most`"));
        }
        let converted = read_typed(&mut source?, limits)?;
        // SAFETY: C5.
        unsafe { write_result(value, converted) };
        Ok(())
    })
}

fn read_typed<T: Typed>(source: &mut dyn Source, limits: Option<(T, T)>) -> Result<T, Failure> {
    let mut quick = None;
    source.read(&mut |text| quick = T::quick(text))?;
    let value = match quick {
        Some(value) => value,
        None => read_by_type(source)?,
    };
    match limits {
        Some((least, most)) if !(least <= value && value <= most) => {
            let mut text = Vec::new();
            source.read(&mut |found| text = found.to_vec())?;
            let why = format!("which is not between {least} and {most}");
            Err(Unfit::of(source, &text, why.into(), true))
        }
        _ => Ok(value),
    }
}

/// Reads a value whose text depends on its type, or is none that was asked for.
#[cold]
fn read_by_type<T: Typed>(source: &mut dyn Source) -> Result<T, Failure> {
    let mut found: Option<Result<T, (NotA, Vec<u8>)>> = None;
    let mut take = |text: &[u8], value_type: ValueType| {
        found =
            (!value_type.is_list()).then(|| T::convert(text, value_type).map_err(|why| (why, text.to_vec())));
    };
    source.read_typed(&mut take)?;
    match found {
        Some(Ok(value)) => Ok(value),
        Some(Err((why, text))) => Err(Unfit::of(source, &text, why.0.into(), why.is_out_of_range())),
        // It has become a list since it was read.
        None => {
            let (store, key) = source.place();
            Err(Unfit::list(key, store))
        }
    }
}

/// Reads a string into a buffer; where there is none, the fallback is written.
///
/// # Safety
///
/// C2 for the fallback, C3 for `buffer`, C5 for `len`.
pub unsafe fn string_or(
    source: Result<impl Source, Failure>,
    fallback: *const c_char,
    (buffer, size): (*mut c_char, usize),
    len: *mut usize,
) -> cms_status {
    guard(|| {
        check_buffer(buffer, size)?;
        // SAFETY: C3, C5.
        let mut put = |text: &[u8]| unsafe { put_value(text, buffer, size, len) };
        let read = source.and_then(|mut source| source.read(&mut put));
        if read.is_err() {
            // SAFETY: C2.
            put(unsafe { optional(fallback) }.unwrap_or_default());
        }
        read
    })
}

/// Converts a text.
///
/// # Safety
///
/// C2, C5.
unsafe fn parse<T: Typed>(text: *const c_char, value: *mut T) -> cms_status {
    guard(|| {
        let place = required(value, "value")?;
        // SAFETY: C2.
        let text = unsafe { bytes(text, "text") }?;
        let value = T::convert(text, ValueType::String).map_err(|why| {
            let (why, value) = (why.0.into(), Some(text.to_vec()));
            Failure::Unfit(Box::new(Unfit {
                key: b"text".to_vec(),
                value,
                why,
                is_number: false,
                line: None,
            }))
        })?;
        // SAFETY: C5.
        unsafe { write_result(place, value) };
        Ok(())
    })
}

/// Converts text to a whole number, as cms_get_int does: an item of a list, for example, or the value that an iteration
/// has found.
///
/// CMS_ERR_TYPE: it is not a number, or does not fit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_parse_int(text: *const c_char, value: *mut i64) -> cms_status {
    // Guarded by `guard` in `parse`. SAFETY: C2, C5.
    unsafe { parse(text, value) }
}

/// Converts text to a truth value, as cms_get_bool does: 1 or 0.
///
/// As cms_parse_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_parse_bool(text: *const c_char, value: *mut i32) -> cms_status {
    // Guarded by `guard` in `parse`. SAFETY: C2, C5.
    unsafe { parse(text, value) }
}

/// Converts text to a decimal number, as cms_get_double does.
///
/// As cms_parse_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_parse_double(text: *const c_char, value: *mut f64) -> cms_status {
    // Guarded by `guard` in `parse`. SAFETY: C2, C5.
    unsafe { parse(text, value) }
}

/// Converts text to a number of bytes, as cms_get_size does.
///
/// As cms_parse_int.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cms_parse_size(text: *const c_char, value: *mut u64) -> cms_status {
    // Guarded by `guard` in `parse`. SAFETY: C2, C5.
    unsafe { parse(text, value) }
}
