//! Primary volume descriptor and logical volume information (R039 to R045).

use super::context::{At, Context};
use super::identifier::Expected;
use super::sequence::Recorded;
use super::text::Empty;
use crate::general::{DString, Descriptor, EntityIdentifier};
use crate::read::ReadAt;
use crate::volume::{ImplementationUseVolumeDescriptor, PrimaryVolumeDescriptor};

/// The levels of a volume: 2 for one alone, 3 in a set (UDF 2.2.2.1).
const INTERCHANGE_LEVELS: core::ops::RangeInclusive<u16> = 2..=3;
/// Digits that begin a volume set identifier (UDF 2.2.2.5).
const TIME_DIGITS: usize = 8;

impl<R: ReadAt> Context<'_, R> {
    pub(super) fn primary(&mut self, recorded: &Recorded) {
        let Some(primary) = recorded.view::<PrimaryVolumeDescriptor>() else { return };
        let at = recorded.at::<PrimaryVolumeDescriptor>();
        let number = primary.primary_volume_descriptor_number;
        if number != 0 {
            self.error(39, at, format_args!("number is {number}, must be 0"));
        }
        self.set_of_volumes(at, primary);
        self.text(at, "volume identifier", &primary.volume_identifier, Empty::Forbidden);
        self.volume_set(at, &primary.volume_set_identifier);
        self.character_set(at, "descriptor character set", &primary.descriptor_character_set);
        self.character_set(at, "explanatory character set", &primary.explanatory_character_set);
        self.character_set_list(at, "character set list", primary.character_set_list.get());
        let list = primary.maximum_character_set_list.get();
        self.character_set_list(at, "maximum character set list", list);
        self.identifier(at, "application identifier", &primary.application_identifier, Expected::Application);
        let developer = &primary.implementation_identifier;
        self.identifier(at, "implementation identifier", developer, Expected::Developer);
        self.time(at, "recording time", &primary.recording_date_and_time);
        self.reserved(44, at, "what follows the flags", &primary.reserved);
    }

    fn set_of_volumes(&mut self, at: At, primary: &PrimaryVolumeDescriptor) {
        let (number, most) =
            (primary.volume_sequence_number.get(), primary.maximum_volume_sequence_number.get());
        if number < 1 || number > most {
            self.error(40, at, format_args!("volume sequence number is {number} of {most}"));
        } else if number != 1 {
            self.warning(40, at, format_args!("volume sequence number is {number}"));
        }
        let (level, highest) = (primary.interchange_level.get(), primary.maximum_interchange_level.get());
        let legal = [level, highest].iter().all(|level| INTERCHANGE_LEVELS.contains(level));
        if !legal || level > highest {
            self.error(41, at, format_args!("interchange level is {level} of {highest}"));
        }
        let flags = primary.flags.get();
        if flags > 1 || most > 1 && flags == 0 {
            self.error(43, at, format_args!("flags are {flags:#x} in a set of {most}"));
        }
    }

    fn volume_set(&mut self, at: At, identifier: &DString<128>) {
        const FIELD: &str = "volume set identifier";
        if identifier.is_empty() {
            self.error(42, at, format_args!("{FIELD} is empty"));
            return;
        }
        self.text(at, FIELD, identifier, Empty::Allowed);
        let text = identifier.decode_lossy();
        let mut digits = text.chars().take(TIME_DIGITS);
        if text.chars().count() < TIME_DIGITS || !digits.all(|digit| digit.is_ascii_hexdigit()) {
            self.warning(
                42,
                at,
                format_args!("{FIELD} does not begin with 8 hexadecimal digits: \"{text}\""),
            );
        }
    }

    pub(super) fn information(&mut self, recorded: &Recorded) {
        type Information = ImplementationUseVolumeDescriptor;
        let Some(information) = recorded.view::<Information>() else { return };
        let at = recorded.at::<Information>();
        self.identifier(
            at,
            "implementation identifier",
            &information.implementation_identifier,
            Expected::Udf(EntityIdentifier::LOGICAL_VOLUME_INFORMATION),
        );
        let set = &information.logical_volume_information_character_set;
        self.character_set(at, "character set", set);
        let label = &information.logical_volume_identifier;
        self.text(at, "logical volume identifier", label, Empty::Forbidden);
        for (field, text) in [
            ("owner", &information.logical_volume_information_1),
            ("organisation", &information.logical_volume_information_2),
            ("contact", &information.logical_volume_information_3),
        ] {
            self.text(at, field, text, Empty::Allowed);
        }
        self.identifier(at, "implementation id", &information.implementation_id, Expected::Developer);
    }

    /// The label must be the same wherever it stands.
    pub(super) fn label(&mut self, at: At, label: &DString<128>, logical: &DString<128>) {
        if label != logical {
            self.error(
                45,
                at,
                format_args!("label is {label:?}, in the logical volume descriptor {logical:?}"),
            );
        }
    }
}

impl Recorded {
    /// The label in logical volume information.
    pub(super) fn information_label(&self) -> Option<&DString<128>> {
        let information = ImplementationUseVolumeDescriptor::peek(&self.bytes, self.sector).ok()?;
        Some(&information.logical_volume_identifier)
    }
}
