//! What a device says of its sessions, and which of its mechanisms is used: the rules and the errors of IMAPI2.

/// A mechanism for further sessions that a device offers, as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multisession {
    /// Whether it can write to the medium in its present state.
    pub is_supported_on_current_media_state: bool,
    /// The caller wants this one.
    pub in_use: bool,
    /// The facts.
    pub mechanism: Mechanism,
}

/// How a further session is written, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// One sector after the other, each once.
    Sequential(Sequential),
    /// Any sector.
    RandomWrite(RandomWrite),
    /// Any sector that was written before, and behind those one after the other.
    PseudoOverwrite(PseudoOverwrite),
}

impl Mechanism {
    /// Its facts, if it writes one sector after the other.
    #[must_use]
    pub fn sequential(&self) -> Option<&Sequential> {
        match self {
            Self::Sequential(facts) => Some(facts),
            Self::RandomWrite(_) | Self::PseudoOverwrite(_) => None,
        }
    }
}

/// The facts of a medium that is written one sector after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequential {
    /// The session about to be written is the first with data.
    pub is_first_data_session: bool,
    /// First sector of the session before it; `None` if there is none.
    pub start_of_previous_session: Option<u32>,
    /// Last sector that was written in that session; `None` if there is none.
    pub last_written_of_previous_session: Option<u32>,
    /// First sector of the session that is open, if anything is in it: what is written next belongs to it.
    pub open_session_start: Option<u32>,
    /// The first sector that can be written.
    pub next_writable: u32,
    /// Sectors that can still be written.
    pub free_sectors: u32,
    /// Sectors that are written as one.
    pub write_unit: u32,
}

/// The facts of a medium that is written in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomWrite {
    /// Every write begins at a multiple of so many sectors, and is a multiple of them long.
    pub write_unit: u32,
    /// The last sector written, if the drive knows it.
    pub last_written: Option<u32>,
    /// Sectors of the medium.
    pub total_sectors: u32,
}

/// The facts of a medium whose drive puts elsewhere what is written again: it has an account of what is free, and nobody else
/// (UDF 2.60 2.2.14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PseudoOverwrite {
    /// Every write begins at a multiple of so many sectors, and is a multiple of them long.
    pub write_unit: u32,
    /// Where the track goes on in which most is left.
    pub next_writable: u32,
    /// Sectors that are left there: for what is new, and for what is written again.
    pub free_sectors: u32,
    /// Sectors of the medium.
    pub total_sectors: u32,
}

impl PseudoOverwrite {
    /// What tracks that can be written to say; nothing is left where there are none.
    #[must_use]
    pub fn of(tracks: &[OpenTrack], write_unit: u32, total_sectors: u32) -> Self {
        let most = tracks.iter().max_by_key(|track| track.free_sectors());
        Self {
            write_unit,
            next_writable: most.map_or(total_sectors, |track| track.next_writable),
            free_sectors: most.map_or(0, OpenTrack::free_sectors),
            total_sectors,
        }
    }
}

/// A track that more can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTrack {
    /// Its first sector.
    pub start: u32,
    /// Where it goes on.
    pub next_writable: u32,
    /// The sector behind its last.
    pub end: u32,
}

impl OpenTrack {
    /// Sectors that are left.
    #[must_use]
    pub fn free_sectors(&self) -> u32 {
        self.end.saturating_sub(self.next_writable)
    }
}

/// What the drive says of the medium as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediumState {
    /// Nothing was written yet.
    pub is_blank: bool,
    /// What was written can be written again.
    pub is_overwritable: bool,
    /// Nothing can be written any more.
    pub is_closed: bool,
}

/// Why no mechanism can be used. Each knows the name and the number that IMAPI2 has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultisessionError {
    /// The mechanism that the caller wants does not work on the medium as it is, or is not known here.
    #[error("the multisession mechanism asked for does not work on this medium as it is now")]
    IncompatibleMultisessionType,
    /// Nothing that the device offers works on the medium as it is.
    #[error("no multisession mechanism works on this medium as it is now")]
    NoCompatibleMultisessionType,
    /// Media of this kind have no further sessions.
    #[error("media of this kind have no further sessions")]
    ImportMediaNotAllowed,
    /// A fact contradicts another.
    #[error("the device's word on {0} makes no sense")]
    BadMultisessionParameter(&'static str),
    /// There is nothing to be imported: the medium is blank.
    #[error("the medium is blank: there is no session to append to")]
    ImportSeekFailure,
}

impl MultisessionError {
    const ROWS: [(Self, &'static str, u32); 5] = [
        (Self::IncompatibleMultisessionType, "IMAPI_E_INCOMPATIBLE_MULTISESSION_TYPE", 0xC0AA_B15B),
        (Self::NoCompatibleMultisessionType, "IMAPI_E_NO_COMPATIBLE_MULTISESSION_TYPE", 0xC0AA_B15C),
        (Self::ImportMediaNotAllowed, "IMAPI_E_IMPORT_MEDIA_NOT_ALLOWED", 0xC0AA_B159),
        (Self::BadMultisessionParameter(""), "IMAPI_E_BAD_MULTISESSION_PARAMETER", 0xC0AA_B162),
        (Self::ImportSeekFailure, "IMAPI_E_IMPORT_SEEK_FAILURE", 0xC0AA_B156),
    ];

    fn row(&self) -> (&'static str, u32) {
        let same = |row: &&(Self, _, _)| std::mem::discriminant(&row.0) == std::mem::discriminant(self);
        Self::ROWS.iter().find(same).map_or(("", 0), |row| (row.1, row.2))
    }

    /// What IMAPI2 calls it.
    #[must_use]
    pub fn imapi_name(&self) -> &'static str {
        self.row().0
    }

    /// Its number there.
    #[must_use]
    pub fn hresult(&self) -> u32 {
        self.row().1
    }
}

/// The mechanism to use, by IMAPI2's rules: the one that the caller wants, if exactly one is wanted and works; else, if none
/// is wanted, the first that works. Of two that are wanted neither is taken.
///
/// A blank medium has nothing to append to, unless it is one that can be overwritten: those are never told apart for sure.
pub fn choose(offered: &[Multisession], medium: MediumState) -> Result<&Multisession, MultisessionError> {
    if offered.is_empty() {
        return Err(MultisessionError::ImportMediaNotAllowed);
    }
    let works = |one: &&Multisession| one.is_supported_on_current_media_state && !medium.is_closed;
    let mut wanted = offered.iter().filter(|one| one.in_use);
    let chosen = match (wanted.next(), wanted.next()) {
        (Some(_), Some(_)) => {
            return Err(MultisessionError::BadMultisessionParameter("which mechanism is in use"));
        }
        (Some(one), None) => {
            Some(one).filter(works).ok_or(MultisessionError::IncompatibleMultisessionType)?
        }
        (None, _) => offered.iter().find(works).ok_or(MultisessionError::NoCompatibleMultisessionType)?,
    };
    if medium.is_blank && !medium.is_overwritable {
        return Err(MultisessionError::ImportSeekFailure);
    }
    match &chosen.mechanism {
        Mechanism::Sequential(facts) => facts.check()?,
        Mechanism::RandomWrite(facts) => facts.check()?,
        Mechanism::PseudoOverwrite(facts) => facts.check()?,
    }
    Ok(chosen)
}

fn sensible(condition: bool, what: &'static str) -> Result<(), MultisessionError> {
    if condition { Ok(()) } else { Err(MultisessionError::BadMultisessionParameter(what)) }
}

impl Sequential {
    fn check(&self) -> Result<(), MultisessionError> {
        sensible(self.write_unit > 0, "the write unit")?;
        sensible(
            self.start_of_previous_session.is_some() == self.last_written_of_previous_session.is_some(),
            "the previous session",
        )?;
        if let (Some(start), Some(last)) =
            (self.start_of_previous_session, self.last_written_of_previous_session)
        {
            sensible(start <= last, "the previous session")?;
            sensible(last < self.next_writable, "the next writable address")?;
        }
        sensible(self.next_writable.checked_add(self.free_sectors).is_some(), "the free sectors")
    }
}

impl RandomWrite {
    fn check(&self) -> Result<(), MultisessionError> {
        sensible(self.write_unit > 0, "the write unit")?;
        sensible(self.total_sectors > 0, "the total of sectors")?;
        sensible(self.last_written.is_none_or(|last| last < self.total_sectors), "the last written address")
    }
}

impl PseudoOverwrite {
    fn check(&self) -> Result<(), MultisessionError> {
        sensible(self.write_unit > 0, "the write unit")?;
        sensible(self.total_sectors > 0, "the total of sectors")?;
        let end = self.next_writable.checked_add(self.free_sectors);
        sensible(end.is_some_and(|end| end <= self.total_sectors), "the free sectors")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEQUENTIAL: Sequential = Sequential {
        is_first_data_session: false,
        start_of_previous_session: Some(0),
        last_written_of_previous_session: Some(999),
        open_session_start: None,
        next_writable: 1024,
        free_sectors: 5000,
        write_unit: 32,
    };
    const RANDOM: RandomWrite = RandomWrite { write_unit: 16, last_written: None, total_sectors: 9000 };
    const PSEUDO: PseudoOverwrite =
        PseudoOverwrite { write_unit: 32, next_writable: 640, free_sectors: 320, total_sectors: 960 };

    fn offered(supported: [bool; 2], in_use: [bool; 2]) -> [Multisession; 2] {
        let mechanisms = [Mechanism::Sequential(SEQUENTIAL), Mechanism::RandomWrite(RANDOM)];
        std::array::from_fn(|index| Multisession {
            is_supported_on_current_media_state: supported[index],
            in_use: in_use[index],
            mechanism: mechanisms[index],
        })
    }

    /// The expected outcome in words of the rules, not of the code: a number is the chosen one.
    fn expected(supported: [bool; 2], in_use: [bool; 2], medium: MediumState) -> Result<usize, u32> {
        let usable = supported.map(|yes| yes && !medium.is_closed);
        let chosen: Result<usize, u32> = match (in_use, usable) {
            ([true, true], _) => Err(0xC0AA_B162),
            ([true | false, false], [true, _]) => Ok(0),
            ([false, true], [_, true]) | ([false, false], [false, true]) => Ok(1),
            ([false, false], [false, false]) => Err(0xC0AA_B15C),
            ([true, false], [false, _]) | ([false, true], [_, false]) => Err(0xC0AA_B15B),
        };
        let chosen = chosen?;
        if medium.is_blank && !medium.is_overwritable { Err(0xC0AA_B156) } else { Ok(chosen) }
    }

    #[test]
    fn the_whole_truth_table() {
        let bit = |case: u32, bit: u32| case >> bit & 1 != 0;
        for case in 0..1 << 7 {
            let (supported, in_use) = ([bit(case, 0), bit(case, 1)], [bit(case, 2), bit(case, 3)]);
            let medium = MediumState {
                is_blank: bit(case, 4),
                is_overwritable: bit(case, 5),
                is_closed: bit(case, 6),
            };
            let all = offered(supported, in_use);
            let found = choose(&all, medium)
                .map(|one| usize::from(one.mechanism == all[1].mechanism))
                .map_err(|error| error.hresult());
            assert_eq!(found, expected(supported, in_use, medium), "{supported:?} {in_use:?} {medium:?}");
        }
    }

    #[test]
    fn media_without_any_mechanism_have_an_error_of_their_own() {
        let medium = MediumState { is_blank: false, is_overwritable: false, is_closed: false };
        let error = choose(&[], medium).unwrap_err();
        assert_eq!((error.imapi_name(), error.hresult()), ("IMAPI_E_IMPORT_MEDIA_NOT_ALLOWED", 0xC0AA_B159));
    }

    #[test]
    fn facts_that_contradict_each_other_are_not_used() {
        let medium = MediumState { is_blank: false, is_overwritable: false, is_closed: false };
        let sequential = [
            Sequential { write_unit: 0, ..SEQUENTIAL },
            Sequential { next_writable: 999, ..SEQUENTIAL },
            Sequential { start_of_previous_session: Some(1000), ..SEQUENTIAL },
            Sequential { start_of_previous_session: None, ..SEQUENTIAL },
            Sequential { free_sectors: u32::MAX, ..SEQUENTIAL },
        ];
        let random = [
            RandomWrite { write_unit: 0, ..RANDOM },
            RandomWrite { total_sectors: 0, ..RANDOM },
            RandomWrite { last_written: Some(9000), ..RANDOM },
        ];
        let pseudo = [
            PseudoOverwrite { write_unit: 0, ..PSEUDO },
            PseudoOverwrite { total_sectors: 0, ..PSEUDO },
            PseudoOverwrite { free_sectors: 321, ..PSEUDO },
            PseudoOverwrite { free_sectors: u32::MAX, ..PSEUDO },
        ];
        let mechanisms = sequential.map(Mechanism::Sequential).into_iter();
        let mechanisms = mechanisms.chain(random.map(Mechanism::RandomWrite));
        let mechanisms = mechanisms.chain(pseudo.map(Mechanism::PseudoOverwrite));
        for mechanism in mechanisms {
            let one = Multisession { is_supported_on_current_media_state: true, in_use: true, mechanism };
            let error = choose(&[one], medium).unwrap_err();
            assert_eq!(error.imapi_name(), "IMAPI_E_BAD_MULTISESSION_PARAMETER", "{mechanism:?}");
        }
    }

    #[test]
    fn data_go_where_most_is_left() {
        let track = |start, next_writable, end| OpenTrack { start, next_writable, end };
        let tracks = [track(0, 96, 640), track(640, 1600, 3200), track(3200, 3200, 3264)];
        let facts = PseudoOverwrite::of(&tracks, 32, 3264);
        assert_eq!((facts.next_writable, facts.free_sectors), (1600, 1600));
        assert_eq!(PseudoOverwrite::of(&[], 32, 3264).free_sectors, 0);
    }

    #[test]
    fn every_error_has_a_name_and_a_number_of_its_own() {
        for (index, (error, name, hresult)) in MultisessionError::ROWS.iter().enumerate() {
            assert_eq!((error.imapi_name(), error.hresult()), (*name, *hresult));
            assert!(
                MultisessionError::ROWS[..index].iter().all(|other| other.1 != *name && other.2 != *hresult)
            );
        }
    }
}
