//! Values with units: sizes, time spans, and rates.

use core::{fmt, str::FromStr};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is wrong with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a size.
    #[error("a size is a number of bytes, or a number with KiB, MiB or GiB, such as \"256MiB\"")]
    Size,
    /// Not a time span.
    #[error("a time span is a number with ms, s, min, h or d, such as \"90d\"")]
    Span,
    /// Not a rate.
    #[error("a rate is a number, a slash and a time span, such as \"10/10min\"")]
    Rate,
}

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS: [(&str, u64); 5] = [("ms", 1), ("min", 60_000), ("d", 86_400_000), ("h", 3_600_000), ("s", 1_000)];

/// The number before one of `units`, times what the unit stands for.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

/// The largest unit of which `value` is a multiple.
fn in_units(value: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().filter(|(_, factor)| value.is_multiple_of(*factor)).max_by_key(|(_, factor)| *factor);
    match fitting {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => value.to_string(),
    }
}

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub u64);

/// A length of time, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub u64);

/// So many at once, and so many again in each span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// In which time they come back.
    pub per: Span,
}

impl Span {
    /// As the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl FromStr for Size {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.trim().parse().ok().or_else(|| scaled(text, &SIZES)).map(Self).ok_or(ValueError::Size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_units(self.0, &SIZES))
    }
}

impl FromStr for Span {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        scaled(text, &SPANS).map(Self).ok_or(ValueError::Span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_units(self.0, &SPANS))
    }
}

impl FromStr for Rate {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (burst, per) = text.split_once('/').ok_or(ValueError::Rate)?;
        let burst = burst.trim().parse().map_err(|_| ValueError::Rate)?;
        Ok(Self { burst, per: per.parse().map_err(|_| ValueError::Rate)? })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.burst, self.per)
    }
}

/// Text or, where the type takes it, a number.
struct TextVisitor<T>(core::marker::PhantomData<T>);

impl<T: FromStr<Err = ValueError>> de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with its unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! serde_as_text {
    ($($name:ident)*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(TextVisitor(core::marker::PhantomData))
            }
        }
    )* };
}
serde_as_text!(Size Span Rate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_as_they_are_shown() {
        for text in ["5B", "256MiB", "3KiB", "2GiB"] {
            assert_eq!(text.parse::<Size>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("256MiB".parse(), Ok(Size(256 << 20)));
        assert_eq!(" 1024 ".parse(), Ok(Size(1024)));
        assert_eq!(Size(256 << 20).to_string(), "256MiB");
        assert_eq!("90d".parse(), Ok(Span(90 * 86_400_000)));
        assert_eq!("10 min".parse::<Span>().map(|span| span.to_string()), Ok("10min".to_owned()));
        assert_eq!(Span(1500).to_string(), "1500ms");
        assert_eq!("10/10min".parse::<Rate>().map(|rate| rate.to_string()), Ok("10/10min".to_owned()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "-1", "1.5MiB", "MiB", "5 parsecs", "99999999999999999999", "18446744073709551615GiB"] {
            assert_eq!(text.parse::<Size>(), Err(ValueError::Size), "{text}");
        }
        for text in ["", "90", "d", "1y"] {
            assert_eq!(text.parse::<Span>(), Err(ValueError::Span), "{text}");
        }
        for text in ["", "10", "/s", "10/", "x/1s", "1/1/1s"] {
            assert_eq!(text.parse::<Rate>(), Err(ValueError::Rate), "{text}");
        }
    }
}
