//! Structs of the header that may grow. They begin with their size, which the caller sets, so that a program works
//! with a library that is newer or older than the header it was built with.
//!
//! A new member goes to the end, and never into bytes that were padding: a caller need not have cleared those.

use crate::status::Failure;

/// The largest size that a caller may state. A larger number is memory that was never set.
const MAX_SIZE: usize = 4096;

/// A struct that begins with its size. The macro [`sized!`] defines it.
///
/// # Safety
///
/// It is `repr(C)`, its first member is `size: usize`, and it is valid with all bytes zero.
pub unsafe trait SizedStruct: Sized {
    /// The sizes that callers may state: the `sizeof` of a struct that ends with the first member, with the second, and
    /// so on.
    const SIZES: &'static [usize];

    /// The message for a caller that states another size.
    const ADVICE: &'static str;
}

/// Defines a struct that begins with its size, and from its members the sizes that callers may state.
/// `ffi/tests/header.rs` recognizes its first and its last line, which must be lines of their own.
macro_rules! sized {
    (
        $(#[$of_struct:meta])*
        pub struct $name:ident {
            $($(#[$of_member:meta])* pub $member:ident: $type:ty,)*
        }
    ) => {
        $(#[$of_struct])*
        pub struct $name {
            $($(#[$of_member])* pub $member: $type,)*
        }

        // SAFETY: the macro is used for structs of numbers, pointers, callbacks and statuses only.
        unsafe impl $crate::sized::SizedStruct for $name {
            const SIZES: &'static [usize] = {
                const MEMBERS: &[(usize, usize, usize)] =
                    &[$((std::mem::offset_of!($name, $member), size_of::<$type>(), align_of::<$type>()),)*];
                &$crate::sized::sizes::<{ MEMBERS.len() }>(MEMBERS)
            };
            const ADVICE: &'static str = concat!("set its size to sizeof(", stringify!($name), ")");
        }
    };
}
pub(crate) use sized;

/// Returns the `sizeof` of a struct that ends with its first member, with its second, and so on. `members` are the
/// offset, the size and the alignment of each.
pub const fn sizes<const N: usize>(members: &[(usize, usize, usize)]) -> [usize; N] {
    let mut sizes = [0; N];
    let mut align = 1;
    let mut index = 0;
    while index < N {
        let (offset, size, alignment) = members[index];
        if alignment > align {
            align = alignment;
        }
        sizes[index] = (offset + size).next_multiple_of(align);
        index += 1;
    }
    sizes
}

/// Returns the size that the caller states of a struct, which is larger than ours if the caller's header is newer.
///
/// # Safety
///
/// C7.
unsafe fn stated<T: SizedStruct>(given: *const T, what: &'static str) -> Result<usize, Failure> {
    if given.is_null() {
        return Err(Failure::Null(what));
    }
    // SAFETY: `size` is the first member, which can be read.
    let size = unsafe { given.cast::<usize>().read() };
    let known = size_of::<T>();
    if size == known || T::SIZES.contains(&size) || (size > known && size <= MAX_SIZE) {
        Ok(size)
    } else {
        Err(Failure::Invalid(what, T::ADVICE))
    }
}

/// Reads a struct of the caller. Members that an older header lacks are zero. Members
/// that only a newer header has must be zero, or the call is refused.
///
/// # Safety
///
/// C7.
pub unsafe fn read<T: SizedStruct>(given: *const T, what: &'static str) -> Result<T, Failure> {
    // SAFETY: the caller's promise.
    let size = unsafe { stated(given, what) }?;
    let known = size_of::<T>();
    // SAFETY: C7. Padding may hold any bytes; C has initialized the memory, and nothing reads the padding.
    let all = unsafe { std::slice::from_raw_parts(given.cast::<u8>(), size) };
    let (ours, newer) = all.split_at(size.min(known));
    if newer.iter().any(|byte| *byte != 0) {
        return Err(Failure::Invalid(
            what,
            "something is set that this version of the library does not know",
        ));
    }
    let mut read = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: `ours` has at most as many bytes as a `T`, and `read` is a separate variable.
    unsafe { std::ptr::copy_nonoverlapping(ours.as_ptr(), read.as_mut_ptr().cast(), ours.len()) };
    // SAFETY: a `SizedStruct` is valid with all bytes zero, and C sets members to values of their types (C7).
    Ok(unsafe { read.assume_init() })
}

/// A struct of the caller that will be written.
pub struct Output<T> {
    place: *mut T,
    size: usize,
}

/// Checks the struct that the caller wants written, before anything is done for it.
///
/// # Safety
///
/// C7, as long as the [`Output`] is used.
pub unsafe fn output<T: SizedStruct>(place: *mut T, what: &'static str) -> Result<Output<T>, Failure> {
    // SAFETY: the caller's promise.
    unsafe { stated(place, what) }.map(|size| Output { place, size })
}

impl<T: SizedStruct> Output<T> {
    /// Writes the members that the caller knows. The size stays as it is; members that this library does not know
    /// become zero.
    ///
    /// # Safety
    ///
    /// C7 still holds for what [`output`] was given.
    pub unsafe fn write(self, mut value: T) {
        let (ours, known) = ((&raw mut value).cast::<u8>(), self.size.min(size_of::<T>()));
        // SAFETY: a `SizedStruct` begins with its size.
        unsafe { ours.cast::<usize>().write(self.size) };
        let theirs = self.place.cast::<u8>();
        // SAFETY: both have `known` bytes (C7), and `value` is a variable of ours.
        unsafe { std::ptr::copy_nonoverlapping(ours, theirs, known) };
        // SAFETY: C7: it has `size` bytes, and `known` is no more.
        let newer = unsafe { theirs.add(known) };
        // SAFETY: the same: `known` and these are `size` bytes.
        unsafe { newer.write_bytes(0, self.size - known) };
    }
}
