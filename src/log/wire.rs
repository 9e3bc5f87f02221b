//! Encodes numbers and strings in records: numbers of any size as LEB128, strings with their length before them.

/// A destination of encoded bytes.
pub(super) trait Out {
    /// Appends bytes unchanged.
    fn put(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts the bytes without keeping them.
pub(super) struct Count(pub usize);

impl Out for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Appends a number: seven bits a byte, lowest first, the top bit set in all but the last.
pub(super) fn put_number(out: &mut impl Out, mut number: u64) {
    let (mut bytes, mut len) = ([0; 10], 0);
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        bytes[len] = low | 0x80;
        number >>= 7;
        len += 1;
    }
    [bytes[len], ..] = number.to_le_bytes();
    out.put(&bytes[..=len]);
}

/// Appends a string.
pub(super) fn put_bytes(out: &mut impl Out, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.put(bytes);
}

/// Reads encoded bytes from the start. A read fails at the end, and on bytes that no writer produces.
#[derive(Debug, Clone)]
pub(super) struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub fn u32(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub fn len(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = self.0.get(..len)?;
        self.0 = &self.0[len..];
        Some(taken)
    }

    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// Reads all that is left.
    pub fn rest_as_text(&mut self) -> Option<String> {
        String::from_utf8(std::mem::take(&mut self.0).to_vec()).ok()
    }

    /// Reads a count, and that many items. A count is refused if the remaining bytes cannot hold as many.
    pub fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.len().filter(|count| *count <= self.0.len())?;
        let mut all = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            all.push(one(self)?);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut reader = Reader(&bytes);
            assert_eq!(reader.number(), Some(number));
            assert_eq!(reader.0, b"");
            assert_eq!(Reader(&bytes[..bytes.len() - 1]).number(), None);
        }
        assert_eq!(Reader(&[0xff; 11]).number(), None, "more than 64 bits");
    }

    #[test]
    fn an_impossible_count_is_refused_before_memory_is_reserved() {
        let mut bytes = Vec::new();
        put_number(&mut bytes, u64::MAX / 2);
        assert_eq!(Reader(&bytes).many(Reader::byte), None);
    }
}
