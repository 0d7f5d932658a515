//! The descriptors that name a volume: made from a specification, or carried over from the previous session.

use udf::general::{CharSpec, DString, EntityIdentifier, ExtentAd, Tag, Timestamp};
use udf::volume::{ImplementationUseVolumeDescriptor, PrimaryVolumeDescriptor};

use super::record::developer;
use super::{AppendSpec, Base, Identifiers, Spec};
use crate::error::{Error, Result};

/// The descriptors, not yet numbered and sealed.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    pub(crate) primary: PrimaryVolumeDescriptor,
    pub(crate) information: ImplementationUseVolumeDescriptor,
    /// The label, as four descriptors have it.
    pub(crate) label: DString<128>,
    /// The label if it is a new one.
    pub(crate) relabelled: bool,
    /// File set identifier of a new volume.
    pub(crate) file_set: DString<32>,
}

const CS0: CharSpec = CharSpec::OSTA_COMPRESSED_UNICODE;

impl Heads {
    /// Those of a new volume.
    pub(super) fn new(spec: &Spec) -> Result<Self> {
        let names = &spec.identifiers;
        let label = field("label", &names.logical_volume)?;
        let volume = match &names.volume {
            Some(volume) => field("volume identifier", volume)?,
            None => DString::truncated(&names.logical_volume),
        };
        let file_set = match &names.file_set {
            Some(file_set) => field("file set identifier", file_set)?,
            None => DString::truncated(&names.logical_volume),
        };
        Ok(Self {
            primary: PrimaryVolumeDescriptor {
                tag: Tag::default(),
                volume_descriptor_sequence_number: 1.into(),
                primary_volume_descriptor_number: 0.into(),
                volume_identifier: volume,
                volume_sequence_number: 1.into(),
                maximum_volume_sequence_number: 1.into(),
                interchange_level: 2.into(),
                maximum_interchange_level: 2.into(),
                character_set_list: 1.into(),
                maximum_character_set_list: 1.into(),
                volume_set_identifier: volume_set(names)?,
                descriptor_character_set: CS0,
                explanatory_character_set: CS0,
                volume_abstract: ExtentAd::default(),
                volume_copyright_notice: ExtentAd::default(),
                application_identifier: application(&names.application)?,
                recording_date_and_time: Timestamp::new(spec.now, spec.zone_minutes),
                implementation_identifier: developer(),
                implementation_use: [0; 64],
                predecessor_volume_descriptor_sequence_location: 0.into(),
                flags: 0.into(),
                reserved: [0; 22],
            },
            information: ImplementationUseVolumeDescriptor {
                logical_volume_information_1: field("owner", &names.owner)?,
                logical_volume_information_2: field("organization", &names.organization)?,
                logical_volume_information_3: field("contact", &names.contact)?,
                ..information(spec.revision, label)
            },
            label,
            relabelled: false,
            file_set,
        })
    }

    /// Those of the next session: the volume stays the same one, whoever made it.
    pub(super) fn next(base: &Base, spec: &AppendSpec) -> Result<Self> {
        let label_text = spec.label.as_ref().unwrap_or(&base.label);
        let relabelled = *label_text != base.label;
        let label = match base.recorded_label {
            Some(label) if !relabelled => label,
            _ => field("label", label_text)?,
        };
        let mut primary = PrimaryVolumeDescriptor {
            recording_date_and_time: Timestamp::new(spec.now, spec.zone_minutes),
            implementation_identifier: developer(),
            implementation_use: [0; 64],
            ..base.primary
        };
        if relabelled {
            primary.volume_identifier = DString::truncated(label_text);
        }
        let old = base.information.unwrap_or_else(|| information(base.revision, label));
        let information = ImplementationUseVolumeDescriptor {
            logical_volume_information_1: old.logical_volume_information_1,
            logical_volume_information_2: old.logical_volume_information_2,
            logical_volume_information_3: old.logical_volume_information_3,
            ..information(base.revision, label)
        };
        Ok(Self { primary, information, label, relabelled, file_set: DString::EMPTY })
    }
}

fn information(revision: udf::Revision, label: DString<128>) -> ImplementationUseVolumeDescriptor {
    ImplementationUseVolumeDescriptor {
        tag: Tag::default(),
        volume_descriptor_sequence_number: 0.into(),
        implementation_identifier: EntityIdentifier::udf(
            EntityIdentifier::LOGICAL_VOLUME_INFORMATION,
            revision,
        ),
        logical_volume_information_character_set: CS0,
        logical_volume_identifier: label,
        logical_volume_information_1: DString::EMPTY,
        logical_volume_information_2: DString::EMPTY,
        logical_volume_information_3: DString::EMPTY,
        implementation_id: developer(),
        implementation_use: [0; 128],
    }
}

fn volume_set(names: &Identifiers) -> Result<DString<128>> {
    match &names.volume_set {
        Some(rest) => field("volume set identifier", &format!("{}{rest}", names.uuid)),
        None => Ok(DString::truncated(&format!("{}{}", names.uuid, names.logical_volume))),
    }
}

fn application(name: &str) -> Result<EntityIdentifier> {
    if name.is_empty() {
        return Ok(EntityIdentifier::EMPTY);
    }
    if !name.is_ascii() || name.len() > 22 {
        return Err(Error::Options(format!("application {name:?}: at most 22 ASCII characters")));
    }
    Ok(EntityIdentifier::new(&format!("*{name}"), [0; 8]))
}

fn field<const N: usize>(what: &str, text: &str) -> Result<DString<N>> {
    DString::new(text).ok_or_else(|| {
        let (narrow, wide) = (N - 2, (N - 2) / 2);
        Error::Options(format!(
            "{what} {text:?} is too long: {narrow} characters fit, {wide} if any is beyond U+00FF"
        ))
    })
}
