//! Values as CBOR, with every sequence of `u8` as a byte string.
//!
//! OpenMLS's types describe their byte vectors to serde as sequences of numbers. Written as CBOR arrays these take almost
//! twice their size; this encoder recognises them. `ciborium` reads a byte string wherever a sequence is expected, so
//! reading needs nothing of ours.

use serde::{Serialize, ser};
use zeroize::Zeroizing;

use super::super::store::StoreFault;

/// The CBOR encoding of `value`, after the bytes that `out` holds already.
pub(super) fn encode_onto<T: Serialize + ?Sized>(out: &mut Zeroizing<Vec<u8>>, value: &T) -> Result<(), StoreFault> {
    let mut encoder = Encoder { out, byte: None };
    value.serialize(&mut encoder).map_err(|_| StoreFault::Unencodable)
}

/// Reads what [`encode_onto`] wrote.
pub(super) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreFault> {
    ciborium::de::from_reader(bytes).map_err(|_| StoreFault::Damaged)
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// A value that has no encoding here (floats, 128-bit numbers, lengths unknown in advance).
#[derive(Debug, thiserror::Error)]
#[error("the value has no encoding")]
struct Unencodable;

impl ser::Error for Unencodable {
    fn custom<T: core::fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// The value just written, if it was a plain `u8`.
    byte: Option<u8>,
}

impl Encoder<'_> {
    fn header(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        let (info, width) = match value {
            0..=23 => {
                self.out.push(major | bytes[7]);
                return;
            }
            24..=0xff => (24, 1),
            0x100..=0xffff => (25, 2),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 8),
        };
        self.out.push(major | info);
        self.out.extend(bytes.iter().skip(8 - width));
    }

    fn length(&mut self, major: u8, len: usize) {
        self.header(major, u64::try_from(len).unwrap_or(u64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.length(TEXT, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unencodable> {
        value.serialize(&mut Encoder { out: self.out, byte: None })
    }
}

/// A sequence under way: encoded items, and the same as raw bytes as long as all of them are `u8`.
struct Sequence<'a, 'b> {
    encoder: &'a mut Encoder<'b>,
    items: Zeroizing<Vec<u8>>,
    raw: Option<Zeroizing<Vec<u8>>>,
    count: usize,
}

impl<'a, 'b> Sequence<'a, 'b> {
    fn new(encoder: &'a mut Encoder<'b>) -> Self {
        Self { encoder, items: Zeroizing::default(), raw: Some(Zeroizing::default()), count: 0 }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Unencodable> {
        let mut encoder = Encoder { out: &mut self.items, byte: None };
        item.serialize(&mut encoder)?;
        match (&mut self.raw, encoder.byte) {
            (Some(raw), Some(byte)) => raw.push(byte),
            _ => self.raw = None,
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) {
        match self.raw {
            Some(raw) if self.count > 0 => {
                self.encoder.length(BYTES, raw.len());
                self.encoder.out.extend_from_slice(&raw);
            }
            _ => {
                self.encoder.length(ARRAY, self.count);
                self.encoder.out.extend_from_slice(&self.items);
            }
        }
    }
}

macro_rules! sequence {
    ($($name:ident, $method:ident;)*) => {$(
        impl ser::$name for Sequence<'_, '_> {
            type Ok = ();
            type Error = Unencodable;
            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Unencodable> {
                self.item(item)
            }
            fn end(self) -> Result<(), Unencodable> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

sequence! {
    SerializeSeq, serialize_element;
    SerializeTuple, serialize_element;
    SerializeTupleStruct, serialize_field;
    SerializeTupleVariant, serialize_field;
}

/// A map or structure under way.
struct Fields<'a, 'b>(&'a mut Encoder<'b>);

impl ser::SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = Unencodable;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unencodable> {
        self.0.value(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unencodable> {
        self.0.value(value)
    }
    fn end(self) -> Result<(), Unencodable> {
        Ok(())
    }
}

macro_rules! fields {
    ($($name:ident;)*) => {$(
        impl ser::$name for Fields<'_, '_> {
            type Ok = ();
            type Error = Unencodable;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unencodable> {
                self.0.text(key);
                self.0.value(value)
            }
            fn end(self) -> Result<(), Unencodable> {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct; SerializeStructVariant; }

macro_rules! numbers {
    ($($method:ident: $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<(), Unencodable> {
            self.serialize_i64(value.into())
        }
    )*};
}

impl<'a, 'b> ser::Serializer for &'a mut Encoder<'b> {
    type Ok = ();
    type Error = Unencodable;
    type SerializeSeq = Sequence<'a, 'b>;
    type SerializeTuple = Sequence<'a, 'b>;
    type SerializeTupleStruct = Sequence<'a, 'b>;
    type SerializeTupleVariant = Sequence<'a, 'b>;
    type SerializeMap = Fields<'a, 'b>;
    type SerializeStruct = Fields<'a, 'b>;
    type SerializeStructVariant = Fields<'a, 'b>;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! { serialize_i8: i8; serialize_i16: i16; serialize_i32: i32; serialize_u16: u16; serialize_u32: u32; }

    fn serialize_u8(self, value: u8) -> Result<(), Unencodable> {
        self.header(UNSIGNED, value.into());
        self.byte = Some(value);
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Unencodable> {
        match u64::try_from(value) {
            Ok(value) => self.header(UNSIGNED, value),
            Err(_) => self.header(NEGATIVE, value.unsigned_abs() - 1),
        }
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unencodable> {
        self.header(UNSIGNED, value);
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unencodable> {
        self.out.push(if value { 0xf5 } else { 0xf4 });
        Ok(())
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unencodable> {
        Err(Unencodable)
    }

    fn serialize_f64(self, _: f64) -> Result<(), Unencodable> {
        Err(Unencodable)
    }

    fn serialize_char(self, value: char) -> Result<(), Unencodable> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unencodable> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unencodable> {
        self.length(BYTES, value.len());
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unencodable> {
        self.out.push(0xf6);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unencodable> {
        self.value(value)
    }

    fn serialize_unit(self) -> Result<(), Unencodable> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unencodable> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unencodable> {
        self.text(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Unencodable> {
        self.value(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unencodable> {
        self.length(MAP, 1);
        self.text(variant);
        self.value(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Unencodable> {
        Ok(Sequence::new(self))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unencodable> {
        Ok(Sequence::new(self))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Unencodable> {
        Ok(Sequence::new(self))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unencodable> {
        self.length(MAP, 1);
        self.text(variant);
        Ok(Sequence::new(self))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, Unencodable> {
        self.length(MAP, len.ok_or(Unencodable)?);
        Ok(Fields(self))
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Self::SerializeStruct, Unencodable> {
        self.length(MAP, len);
        Ok(Fields(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Unencodable> {
        self.length(MAP, 1);
        self.text(variant);
        self.length(MAP, len);
        Ok(Fields(self))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone, Copy)]
    struct Index(u8);

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Shape {
        Unit,
        Newtype(Vec<u8>),
        Tuple(u32, Index),
        Struct { a: Option<u64>, b: [u8; 4] },
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sample {
        bytes: Vec<u8>,
        empty: Vec<u8>,
        numbers: Vec<u32>,
        indices: Vec<Index>,
        shapes: Vec<Shape>,
        map: BTreeMap<u16, String>,
        nested: Option<Option<u8>>,
        negative: i32,
        truth: (bool, bool),
        pair: (u8, u8),
        chars: char,
        big: [u64; 2],
    }

    fn sample() -> Sample {
        Sample {
            bytes: (0..=255).collect(),
            empty: vec![],
            numbers: vec![0, 1, 23, 24, 255, 256, 65_535, 65_536, u32::MAX],
            indices: vec![Index(3), Index(200)],
            shapes: vec![
                Shape::Unit,
                Shape::Newtype(vec![9; 40]),
                Shape::Tuple(7, Index(1)),
                Shape::Struct { a: Some(u64::MAX), b: [1, 2, 3, 4] },
            ],
            map: [(1, "eins".to_owned()), (2, "zwei".to_owned())].into(),
            nested: None,
            negative: -500,
            truth: (true, false),
            pair: (250, 251),
            chars: 'ß',
            big: [u64::MAX, 1 << 33],
        }
    }

    #[test]
    fn ciborium_reads_back_every_shape() {
        let mut bytes = Zeroizing::default();
        encode_onto(&mut bytes, &sample()).expect("every shape has an encoding");
        assert_eq!(decode::<Sample>(&bytes), Ok(sample()));
    }

    #[test]
    fn bytes_take_their_size_and_newtypes_stay_apart() {
        let mut bytes = Zeroizing::default();
        encode_onto(&mut bytes, &vec![200_u8; 100]).expect("bytes");
        assert_eq!(bytes.len(), 102);
        bytes.clear();
        encode_onto(&mut bytes, &vec![Index(200); 100]).expect("a list of newtypes");
        assert_eq!(bytes.len(), 202);
    }

    #[test]
    fn floats_are_refused() {
        assert_eq!(encode_onto(&mut Zeroizing::default(), &1.5_f64), Err(StoreFault::Unencodable));
    }
}
