//! Timestamps (ECMA-167 1/7.3, UDF 2.1.4): local time of a zone, to the microsecond, years 1 to 9999.

use zerocopy::little_endian::{I16, U16};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A point in time: microseconds since 1970-01-01 00:00:00 UTC, and nothing of zones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Microseconds since the epoch; negative before.
    pub microseconds: i64,
}

impl Moment {
    /// 0001-01-01 00:00:00 UTC, the first that a timestamp can hold in UTC.
    pub const MIN: Self = Self { microseconds: -62_135_596_800_000_000 };
    /// 9999-12-31 23:59:59.999999 UTC, the last.
    pub const MAX: Self = Self { microseconds: 253_402_300_799_999_999 };

    /// Whole seconds since the epoch and the nanoseconds on top, as systems count.
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let microseconds = seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanoseconds / 1000));
        Self { microseconds }.clamp(Self::MIN, Self::MAX)
    }

    /// Seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.microseconds.div_euclid(1_000_000)
    }

    /// Microseconds on top of [`seconds`](Self::seconds), 0 to 999,999.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 999,999")]
    pub const fn subsecond_microseconds(self) -> u32 {
        self.microseconds.rem_euclid(1_000_000) as u32
    }
}

/// A recorded time (ECMA-167 1/7.3).
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Timestamp {
    /// Bits 12-15: 1, local time; bits 0-11: minutes east of UTC, -2047 for "not specified".
    pub type_and_time_zone: U16,
    /// 1 to 9999.
    pub year: I16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 99.
    pub centiseconds: u8,
    /// 0 to 99.
    pub hundreds_of_microseconds: u8,
    /// 0 to 99.
    pub microseconds: u8,
}

const _: () = assert!(size_of::<Timestamp>() == 12);

/// Furthest zone from UTC in minutes (UDF 2.1.4.1).
const ZONE_LIMIT_MINUTES: i16 = 1440;
const ZONE_UNSPECIFIED: i16 = -2047;

impl Timestamp {
    /// No time at all: where a time is required, an error.
    pub const ZERO: Self = Self {
        type_and_time_zone: U16::ZERO,
        year: I16::ZERO,
        month: 0,
        day: 0,
        hour: 0,
        minute: 0,
        second: 0,
        centiseconds: 0,
        hundreds_of_microseconds: 0,
        microseconds: 0,
    };

    /// A moment, recorded as the local time of a zone that lies `zone_minutes` east of UTC.
    ///
    /// A zone beyond a day, or moments outside the years 1 to 9999 in that zone, are moved to the nearest that can be
    /// recorded.
    #[must_use]
    #[allow(
        clippy::arithmetic_side_effects,
        reason = "clamped: everything is within 10,000 years of microseconds"
    )]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "calendar fields, each in its range"
    )]
    pub fn new(moment: Moment, zone_minutes: i16) -> Self {
        let zone = zone_minutes.clamp(-ZONE_LIMIT_MINUTES, ZONE_LIMIT_MINUTES);
        let moment = moment.clamp(Moment::MIN, Moment::MAX);
        let local = Moment { microseconds: moment.microseconds + i64::from(zone) * 60_000_000 }
            .clamp(Moment::MIN, Moment::MAX);
        let (year, month, day) = date_of(local.seconds().div_euclid(86_400));
        let second_of_day = local.seconds().rem_euclid(86_400);
        let microsecond = local.subsecond_microseconds();
        Self {
            type_and_time_zone: (0x1000 | (zone as u16 & 0x0FFF)).into(),
            year: year.into(),
            month,
            day,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
            centiseconds: (microsecond / 10_000) as u8,
            hundreds_of_microseconds: (microsecond / 100 % 100) as u8,
            microseconds: (microsecond % 100) as u8,
        }
    }

    /// Minutes east of UTC; `None` if not specified or beyond a day.
    #[must_use]
    pub fn zone_minutes(&self) -> Option<i16> {
        let low = self.type_and_time_zone.get() & 0x0FFF;
        let signed = if low & 0x0800 == 0 { low } else { low | 0xF000 }.cast_signed();
        (signed != ZONE_UNSPECIFIED && signed.unsigned_abs() <= ZONE_LIMIT_MINUTES.unsigned_abs())
            .then_some(signed)
    }

    /// Whether no field is set.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The moment recorded, `None` if a field is out of its range. A time of no zone is taken as UTC.
    #[must_use]
    #[allow(clippy::arithmetic_side_effects, reason = "every field is in its range")]
    pub fn moment(&self) -> Option<Moment> {
        let in_range = (1..=9999).contains(&self.year.get())
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year.get(), self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.centiseconds < 100
            && self.hundreds_of_microseconds < 100
            && self.microseconds < 100;
        if !in_range {
            return None;
        }
        let days = days_from_epoch(self.year.get(), self.month, self.day);
        let seconds = days * 86_400
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second);
        let microseconds = i64::from(self.centiseconds) * 10_000
            + i64::from(self.hundreds_of_microseconds) * 100
            + i64::from(self.microseconds);
        let zone = i64::from(self.zone_minutes().unwrap_or(0));
        Some(Moment { microseconds: (seconds - zone * 60) * 1_000_000 + microseconds })
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
#[allow(clippy::arithmetic_side_effects, reason = "years 1 to 9999")]
fn days_from_epoch(year: i16, month: u8, day: u8) -> i64 {
    // Years that begin in March put the leap day at the end; 146,097 days are 400 years.
    let (year, month) = (i64::from(year), i64::from(month));
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01: the inverse of [`days_from_epoch`].
#[allow(clippy::arithmetic_side_effects, reason = "years 1 to 9999")]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "calendar fields, each in its range"
)]
fn date_of(days: i64) -> (i16, u8, u8) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8;
    let month = ((month_from_march + 2) % 12 + 1) as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i16, month, day)
}

fn days_in_month(year: i16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl core::fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:02}{:02}{:02} ",
            self.year,
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.centiseconds,
            self.hundreds_of_microseconds,
            self.microseconds
        )?;
        match self.zone_minutes() {
            Some(zone) => write!(f, "{zone:+} min"),
            None => f.write_str("zone not specified"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        let stamp = Timestamp::new(Moment::from_unix(951_782_400, 123_456_789), 90);
        assert_eq!(std::format!("{stamp:?}"), "2000-02-29 01:30:00.123456 +90 min");
        assert_eq!(stamp.moment(), Some(Moment { microseconds: 951_782_400_123_456 }));
        assert_eq!(std::format!("{:?}", Timestamp::new(Moment::MIN, 0)), "0001-01-01 00:00:00.000000 +0 min");
        assert_eq!(std::format!("{:?}", Timestamp::new(Moment::MAX, 0)), "9999-12-31 23:59:59.999999 +0 min");
        assert_eq!(Timestamp::ZERO.moment(), None);
    }

    #[test]
    fn a_zone_may_be_west_absent_or_absurd() {
        let zone =
            |field: u16| Timestamp { type_and_time_zone: field.into(), ..Timestamp::ZERO }.zone_minutes();
        assert_eq!(zone(0x1000 | (-300i16).cast_unsigned() & 0xFFF), Some(-300));
        assert_eq!(zone(0x1801), None);
        assert_eq!(zone(0x17FF), None);
    }

    proptest! {
        #[test]
        fn moments_survive(microseconds in -62_000_000_000_000_000i64..253_000_000_000_000_000, zone in -1440i16..=1440) {
            let moment = Moment { microseconds };
            prop_assert_eq!(Timestamp::new(moment, zone).moment(), Some(moment));
        }

        #[test]
        fn any_bytes_are_a_moment_or_refused(bytes: [u8; 12]) {
            let _ = Timestamp::read_from_bytes(&bytes).unwrap().moment();
        }
    }
}
