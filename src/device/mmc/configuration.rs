//! What a drive is and can do with the disc that is in it: profiles and features (MMC-6 5, 6.6).

use super::profile::Profile;

/// Something that the drive can do (MMC-6 5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its number (MMC-6 table 85).
    pub code: u16,
    /// It can do it with this disc, as it is now.
    pub is_current: bool,
    /// What it is like.
    pub data: Vec<u8>,
}

/// All that a drive can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Which kind of disc is in it; 0 for none.
    pub profile: Profile,
    /// As the drive lists them.
    pub features: Vec<Feature>,
}

impl Configuration {
    /// Lists what drives can do.
    const PROFILE_LIST: u16 = 0x0000;
    /// The disc is overwritten as if it were not written once.
    pub const PSEUDO_OVERWRITE: u16 = 0x0038;
    /// The disc can be written in any order.
    pub const RANDOM_WRITABLE: u16 = 0x0020;
    /// The disc is written by any number of sectors.
    pub const INCREMENTAL_STREAMING_WRITABLE: u16 = 0x0021;
    /// The drive reads and writes at a speed that it is told.
    pub const REAL_TIME_STREAMING: u16 = 0x0107;

    /// What a reply says; `None` if it makes no sense. What contradicts the lengths that it names is passed over.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, _, _, high, low, list @ ..] = bytes else { return None };
        // The length does not count its own four bytes.
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?.saturating_sub(4);
        let mut list = list.get(..length).unwrap_or(list);
        let mut features = Vec::new();
        while let [high, low, flags, length, rest @ ..] = list {
            let Some((data, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
            let code = u16::from_be_bytes([*high, *low]);
            features.push(Feature { code, is_current: flags & 1 != 0, data: data.to_vec() });
            list = rest;
        }
        Some(Self { profile: Profile(u16::from_be_bytes([*high, *low])), features })
    }

    /// Whether the drive can do something with the disc as it is now.
    #[must_use]
    pub fn can_now(&self, feature: u16) -> bool {
        self.features.iter().any(|one| one.code == feature && one.is_current)
    }

    /// Kinds of disc that the drive knows.
    #[must_use]
    pub fn profiles(&self) -> Vec<Profile> {
        let list = self.features.iter().find(|one| one.code == Self::PROFILE_LIST);
        let list = list.map_or(&[][..], |one| &one.data);
        list.chunks_exact(4).map(|one| Profile(u16::from_be_bytes([one[0], one[1]]))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 24, 0, 0, 0, 0x1B];
        bytes.extend([0, 0, 3, 8, 0, 0x1B, 1, 0, 0, 0x43, 0, 0]);
        bytes.extend([0, 0x2B, 0, 4, 1, 0, 0, 0]);
        bytes
    }

    #[test]
    fn profiles_and_features_are_listed() {
        let found = Configuration::parse(&reply()).unwrap();
        assert_eq!(found.profile, Profile(0x1B));
        assert_eq!(found.profiles(), [Profile(0x1B), Profile(0x43)]);
        assert!(found.can_now(0) && !found.can_now(0x2B) && !found.can_now(0x38));
        assert_eq!(found.features.len(), 2);
    }

    #[test]
    fn lengths_that_lie_end_the_list() {
        let mut bytes = reply();
        bytes[11] = 200;
        assert!(Configuration::parse(&bytes).unwrap().features.is_empty());
        bytes[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(Configuration::parse(&bytes).is_some());
        for length in 0..reply().len() {
            assert_eq!(Configuration::parse(&reply()[..length]).is_some(), length >= 8);
        }
    }
}
