//! Just enough of Thrift's compact protocol to look at sizes in Parquet headers: walk a struct's fields, read whole
//! numbers, skip the rest. Source: Apache Thrift, "Thrift Compact protocol encoding". Every read is checked, nothing
//! is allocated, and nesting is bounded.

/// Deepest nesting of skipped values.
const MAX_DEPTH: usize = 32;

/// Why a walk stopped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end too early.
    End,
    /// The bytes are not Thrift.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stop,
    Bool,
    Byte,
    Int,
    Double,
    Binary,
    List,
    Map,
    Struct,
}

impl Kind {
    fn of(nibble: u8) -> Result<Self, Fault> {
        Ok(match nibble {
            0 => Kind::Stop,
            1 | 2 => Kind::Bool,
            3 => Kind::Byte,
            4..=6 => Kind::Int,
            7 => Kind::Double,
            8 => Kind::Binary,
            9 | 10 => Kind::List,
            11 => Kind::Map,
            12 => Kind::Struct,
            _ => return Err(Fault::Malformed),
        })
    }
}

pub(crate) struct Compact<'a> {
    bytes: &'a [u8],
}

impl<'a> Compact<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes not yet read.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next field of a struct: its number and kind, [`Kind::Stop`] at the end. `last` is the number before.
    pub(crate) fn field(&mut self, last: &mut i64) -> Result<(i64, Kind), Fault> {
        let head = self.byte()?;
        let kind = Kind::of(head & 15)?;
        if kind == Kind::Stop {
            return Ok((0, kind));
        }
        let delta = i64::from(head >> 4);
        *last = if delta == 0 { self.int()? } else { *last + delta };
        if !(0..=i64::from(i16::MAX)).contains(last) {
            return Err(Fault::Malformed);
        }
        Ok((*last, kind))
    }

    /// A whole number of any width.
    pub(crate) fn int(&mut self) -> Result<i64, Fault> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// The head of a list: its length and the kind of its items.
    pub(crate) fn list(&mut self) -> Result<(u64, Kind), Fault> {
        let head = self.byte()?;
        let kind = Kind::of(head & 15)?;
        let short = head >> 4;
        let length = if short == 15 { self.varint()? } else { u64::from(short) };
        // Each item takes at least one byte.
        if length > self.bytes.len() as u64 {
            return Err(Fault::End);
        }
        Ok((length, kind))
    }

    /// Skips a field's value.
    pub(crate) fn skip(&mut self, kind: Kind) -> Result<(), Fault> {
        self.skip_value(kind, true, MAX_DEPTH)
    }

    fn skip_value(&mut self, kind: Kind, in_field: bool, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Malformed)?;
        match kind {
            Kind::Stop => return Err(Fault::Malformed),
            // In a field the head itself holds the truth value.
            Kind::Bool if in_field => {}
            Kind::Bool | Kind::Byte => self.advance(1)?,
            Kind::Int => {
                self.varint()?;
            }
            Kind::Double => self.advance(8)?,
            Kind::Binary => {
                let length = self.varint()?;
                self.advance(length)?;
            }
            Kind::List => {
                let (length, item) = self.list()?;
                for _ in 0..length {
                    self.skip_value(item, false, depth)?;
                }
            }
            Kind::Map => {
                let length = self.varint()?;
                if length > 0 {
                    let kinds = self.byte()?;
                    let (key, value) = (Kind::of(kinds >> 4)?, Kind::of(kinds & 15)?);
                    for _ in 0..length {
                        self.skip_value(key, false, depth)?;
                        self.skip_value(value, false, depth)?;
                    }
                }
            }
            Kind::Struct => {
                let mut last = 0;
                loop {
                    let (_, kind) = self.field(&mut last)?;
                    if kind == Kind::Stop {
                        break;
                    }
                    self.skip_value(kind, true, depth)?;
                }
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (&first, rest) = self.bytes.split_first().ok_or(Fault::End)?;
        self.bytes = rest;
        Ok(first)
    }

    fn advance(&mut self, count: u64) -> Result<(), Fault> {
        let count = usize::try_from(count).map_err(|_| Fault::End)?;
        self.bytes = self.bytes.get(count..).ok_or(Fault::End)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 127);
            if shift == 63 && bits > 1 {
                return Err(Fault::Malformed);
            }
            value |= bits << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers() {
        assert_eq!(Compact::new(&[0]).int(), Ok(0));
        assert_eq!(Compact::new(&[1]).int(), Ok(-1));
        assert_eq!(Compact::new(&[0xAC, 0x02]).int(), Ok(150));
        assert_eq!(Compact::new(&[0x80]).int(), Err(Fault::End));
        assert_eq!(Compact::new(&[0xFF; 12]).int(), Err(Fault::Malformed));
    }

    #[test]
    fn deep_structs_are_refused() {
        let bytes = vec![0x1C; 100_000];
        let mut walk = Compact::new(&bytes);
        assert_eq!(walk.skip(Kind::Struct), Err(Fault::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let mut walk = Compact::new(&bytes);
            let _ = walk.skip(Kind::Struct);
            prop_assert!(walk.left() <= bytes.len());
        }
    }
}
