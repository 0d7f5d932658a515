//! Values as people type them: sizes, times, modes, owners, block sizes.

use std::str::FromStr;

use udf::BlockSize;
use udf::general::Moment;

/// An amount of space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// In bytes.
    Bytes(u64),
    /// In sectors of the medium.
    Sectors(u64),
}

impl Size {
    /// The same in bytes.
    pub(crate) fn bytes(self, block_size: BlockSize) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Sectors(sectors) => sectors.saturating_mul(u64::from(block_size.bytes())),
        }
    }

    /// The same in whole blocks, of which a medium has at most 2^32 - 1.
    pub(crate) fn blocks(self, block_size: BlockSize) -> u32 {
        u32::try_from(self.bytes(block_size) / u64::from(block_size.bytes())).unwrap_or(u32::MAX)
    }
}

impl FromStr for Size {
    type Err = String;

    /// `700M` and `4.7GB` and `2295104s`: powers of 1024 with one letter (or `MiB`), of 1000 with two, sectors with `s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        if unit == "s" {
            return number.parse().map(Self::Sectors).map_err(|_| String::from("not a number of sectors"));
        }
        let letters: Vec<char> = unit.to_ascii_uppercase().chars().collect();
        let (power, base) = match letters[..] {
            [] | ['B'] => (0, 1024),
            [letter] | [letter, 'I', 'B'] => (power_of(letter)?, 1024),
            [letter, 'B'] => (power_of(letter)?, 1000),
            _ => return Err(unknown_unit()),
        };
        scaled(number, u128::from(base_to(base, power)))
            .map(Self::Bytes)
            .ok_or_else(|| String::from("not an amount of space"))
    }
}

fn power_of(letter: char) -> Result<u32, String> {
    "KMGT".find(letter).and_then(|at| u32::try_from(at + 1).ok()).ok_or_else(unknown_unit)
}

fn unknown_unit() -> String {
    String::from("the unit is none of K, M, G, T, KB, MB, GB, TB, s")
}

fn base_to(base: u64, power: u32) -> u64 {
    base.saturating_pow(power)
}

/// A decimal number, perhaps with a fraction, times a factor; rounded down.
fn scaled(number: &str, factor: u128) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    // A sign, which numbers are parsed with, has no place here.
    if fraction.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: u128 = digits.parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    u64::try_from(digits.checked_mul(factor)? / 10u128.pow(places)).ok()
}

/// Permissions, set-id bits and sticky bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u16);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u16::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o7777);
        mode.map(Self).ok_or_else(|| String::from("a mode is up to four octal digits, like 0644"))
    }
}

/// A user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(pub(crate) u32);

impl FromStr for Owner {
    type Err = String;

    /// A number; -1 is how systems write "none", and 0xFFFFFFFF how volumes do.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "-1" => Ok(Self(u32::MAX)),
            _ => text.parse().map(Self).map_err(|_| String::from("an owner is a number, or -1 for none")),
        }
    }
}

/// How fast a disc is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    /// So many times as fast as at single speed, in tenths.
    Tenfold(u32),
    /// In 1000 bytes a second.
    Kilobytes(u32),
}

impl Speed {
    /// In 1000 bytes a second, for a medium whose single speed is this.
    pub(crate) fn kilobytes(self, single: u32) -> u32 {
        match self {
            Self::Tenfold(tenths) => {
                u32::try_from(u64::from(single) * u64::from(tenths) / 10).unwrap_or(u32::MAX)
            }
            Self::Kilobytes(kilobytes) => kilobytes,
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    /// `8x` and `2.4x`, or a number of kB/s.
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || String::from("a speed is a factor, as in 8x, or a number of kB/s");
        let small = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
        let speed = match text.strip_suffix(['x', 'X']) {
            Some(factor) => small(scaled(factor, 10)).map(Self::Tenfold),
            None => small(scaled(text, 1)).map(Self::Kilobytes),
        };
        speed.filter(|speed| speed.kilobytes(u32::MAX) > 0).ok_or_else(wanted)
    }
}

/// A block size that volumes are made with.
pub(crate) fn block_size(text: &str) -> Result<BlockSize, String> {
    let size = text.parse().ok().and_then(BlockSize::new);
    size.ok_or_else(|| String::from("a block size is a power of two from 512 to 32768"))
}

/// A path of a volume as it is shown: from the root, without what has no meaning.
pub(crate) fn volume_path(text: &str) -> String {
    let names = text.split('/').filter(|name| !matches!(*name, "" | "."));
    let path = names.fold(String::new(), |path, name| path + "/" + name);
    if path.is_empty() { "/".into() } else { path }
}

/// A point in time: RFC 3339, or `@` and seconds since 1970.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let Some(seconds) = text.strip_prefix('@') else {
        let time: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
        return Ok(Moment { microseconds: time.as_microsecond() });
    };
    epoch(seconds).ok_or_else(|| String::from("after @ stands a number of seconds"))
}

/// Seconds since 1970, perhaps with a fraction.
pub(crate) fn epoch(seconds: &str) -> Option<Moment> {
    let (sign, digits) = seconds.strip_prefix('-').map_or((1, seconds), |digits| (-1, digits));
    let microseconds = i64::try_from(scaled(digits, 1_000_000)?).ok()?;
    let moment = Moment { microseconds: sign * microseconds };
    (Moment::MIN..=Moment::MAX).contains(&moment).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_as_drives_and_people_know_them() {
        for (text, kilobytes) in [("8x", 11_080), ("2.4X", 3324), ("1x", 1385), ("22160", 22_160)] {
            assert_eq!(text.parse::<Speed>().unwrap().kilobytes(1385), kilobytes, "{text}");
        }
        for text in ["", "x", "0", "0x", "-1", "fast", "8 x", "99999999999"] {
            assert!(text.parse::<Speed>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        let size = |text: &str| text.parse::<Size>();
        assert_eq!(size("700M"), Ok(Size::Bytes(700 << 20)));
        assert_eq!(size("4.7GB"), Ok(Size::Bytes(4_700_000_000)));
        assert_eq!(size("1.5k"), Ok(Size::Bytes(1536)));
        assert_eq!(size("2TiB"), Ok(Size::Bytes(2 << 40)));
        assert_eq!(size("2295104s").unwrap().bytes(BlockSize::B2048), 4_700_372_992);
        assert_eq!(size("123"), Ok(Size::Bytes(123)));
        for wrong in ["", ".", "M", "1Q", "1MM", "-1", "1.2.3", "1s2", "1.5s", "99999999999999T", "1e3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let microseconds = |text: &str| moment(text).map(|moment| moment.microseconds);
        assert_eq!(microseconds("2000-02-29T01:30:00.5+01:30"), Ok(951_782_400_500_000));
        assert_eq!(microseconds("@-1.5"), Ok(-1_500_000));
        assert_eq!(microseconds("@1000000000"), Ok(1_000_000_000_000_000));
        for wrong in ["", "@", "@x", "@99999999999999", "tomorrow", "@--1", "@+1"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn modes_owners_and_blocks() {
        assert_eq!("4755".parse(), Ok(Mode(0o4755)));
        assert_eq!("0644".parse(), Ok(Mode(0o644)));
        for wrong in ["", "8", "17777", "+644", "u+x"] {
            assert!(wrong.parse::<Mode>().is_err(), "{wrong}");
        }
        assert_eq!("-1".parse(), Ok(Owner(u32::MAX)));
        assert!("-2".parse::<Owner>().is_err());
        assert_eq!(block_size("2048"), Ok(BlockSize::B2048));
        assert!(block_size("2047").is_err());
    }
}
