//! Timestamps (R020 and R021).

use super::context::{At, Context};
use super::path::Subject;
use crate::general::Timestamp;
use crate::read::ReadAt;

/// Bits 12-15 of a timestamp: local time, the only type in UDF (UDF 2.1.4.1).
const LOCAL_TIME: u16 = 1;
/// Bits 0-11 of a timestamp: "not specified".
const ZONE_UNSPECIFIED: u16 = 0x801;
const MINUTES_IN_A_QUARTER: i16 = 15;

impl<R: ReadAt> Context<'_, R> {
    /// A time that must be recorded.
    pub(super) fn time(&mut self, at: At, field: &str, time: &Timestamp) {
        let word = time.type_and_time_zone.get();
        let zone = time.zone_minutes();
        if word >> 12 != LOCAL_TIME {
            self.error(20, at, format_args!("{field}: timestamp type is {}", word >> 12));
        } else if zone.is_none() && word & 0xFFF != ZONE_UNSPECIFIED {
            self.error(20, at, format_args!("{field}: time zone {:#05x} is more than a day", word & 0xFFF));
        } else if time.moment().is_none() {
            self.error(20, at, format_args!("{field} is {time:?}"));
        } else if let Some(zone) = zone.filter(|zone| zone % MINUTES_IN_A_QUARTER != 0) {
            self.warning(20, at, format_args!("{field}: time zone is {zone} minutes, not a multiple of 15"));
        }
        if let Some(recorded) = self.recorded
            && is_later(time, &recorded)
        {
            self.error(
                21,
                at,
                format_args!("{field}, {time:?}, is later than the integrity descriptor, {recorded:?}"),
            );
        } else if time.zone_minutes().is_some()
            && matches!(self.subject, Subject::Volume)
            && let Some((moment, now)) = time.moment().zip(self.known.now)
            && moment > now
        {
            // One of the two clocks is wrong. Files may have times to come, and keep them.
            self.warning(21, at, format_args!("{field}, {time:?}, has not come yet"));
        }
    }

    /// The times of a file beside that of its creation.
    pub(super) fn creation_time(&mut self, at: At, creation: &Timestamp, others: &[&Timestamp]) {
        self.time(at, "creation time", creation);
        if let Some(other) = others.iter().find(|other| is_later(creation, other)) {
            self.warning(21, at, format_args!("creation time, {creation:?}, is later than {other:?}"));
        }
    }
}

/// Whether one time is surely later than another: not if the zone of only one is known.
fn is_later(time: &Timestamp, other: &Timestamp) -> bool {
    let comparable = time.zone_minutes().is_some() == other.zone_minutes().is_some();
    let moments = time.moment().zip(other.moment());
    comparable && moments.is_some_and(|(time, other)| time > other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::general::Moment;
    use crate::units::{BlockSize, Sector};
    use std::{string::ToString, vec};

    #[test]
    fn times() {
        let day = |day: i64, zone| Timestamp::new(Moment::from_unix(day * 86_400, 0), zone);
        let unspecified = Timestamp { type_and_time_zone: 0x1801.into(), ..day(30, 0) };
        for (time, expected) in [
            (day(10, 60), ""),
            (day(20, -120), ""),
            (unspecified, ""),
            (day(10, 7), "R020"),
            (Timestamp::ZERO, "R020"),
            (Timestamp { type_and_time_zone: 0x2000.into(), ..day(1, 0) }, "R020"),
            (Timestamp { type_and_time_zone: 0x15A1.into(), ..day(1, 0) }, "R020"),
            (Timestamp { month: 13, ..day(1, 0) }, "R020"),
            (day(21, 0), "R021"),
        ] {
            let device = vec![0u8; 4096];
            let mut context = Context::new(&device, BlockSize::B512, Sector(0));
            context.recorded = Some(day(20, 0));
            context.time(At::new("test", Sector(9)), "field", &time);
            let report = context.findings.into_report();
            let found: vec::Vec<_> = report.findings.iter().map(|finding| finding.rule.to_string()).collect();
            assert_eq!(found.join(" "), expected, "{time:?}");
        }
    }

    #[test]
    fn nothing_is_from_the_future_if_one_knows_the_time() {
        let time = Timestamp::new(Moment::from_unix(1000, 0), 60);
        let somewhere = Timestamp { type_and_time_zone: 0x1801.into(), ..time };
        for (now, time, expected) in [
            (None, time, 0),
            (Some(1000), time, 0),
            (Some(999), time, 1),
            // It may be said in any zone.
            (Some(999), somewhere, 0),
        ] {
            let device = vec![0u8; 4096];
            let mut context = Context::new(&device, BlockSize::B512, Sector(0));
            context.known.now = now.map(|seconds| Moment::from_unix(seconds, 0));
            context.time(At::new("test", Sector(9)), "field", &time);
            assert_eq!(context.findings.into_report().findings.len(), expected);
        }
    }
}
