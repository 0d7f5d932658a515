//! What is bent in single files, and read all the same: counted where readers meet it, or refused by those who are strict.

use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::units::BlockAddress;

/// Something in a file that is not as the standard demands, and that is read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tolerance {
    /// A body that goes on behind its last extent (ECMA-167 4/12): zeros, a hole.
    EndsInHole,
    /// A body that goes on behind its last extent, but not behind the block that this ends in (ECMA-167 4/12): what is in the
    /// block.
    EndsInBlock,
    /// A damaged file identifier descriptor: an error in its place, and the next sound one is looked for.
    DamagedIdentifier,
    /// A damaged extended attribute: the file is read without it and without those behind it.
    DamagedAttribute,
    /// An ICB of strategy 4096 without a terminal entry (ECMA-167 4/8.10): the last entry that can be reached.
    OpenChain,
    /// A descriptor whose CRC covers nothing, or only part of it (UDF 2.3.1.2): believed.
    PartialSeal,
    /// A file identifier descriptor that says that it lies elsewhere: believed.
    OtherLocation,
    /// A name that is empty, or in characters that no name may have (UDF 2.1.1): shown as far as it goes.
    IllegalName,
    /// Two names of a directory that are the same: both are shown, and a path leads to the first.
    SameName,
    /// A name in 8-bit characters whose bytes are UTF-8: found by what was meant, too.
    Utf8Name,
    /// A block of a metadata file that cannot be read, or is damaged: the one in its mirror (UDF 2.2.13).
    MirrorBlock,
}

impl Tolerance {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::EndsInHole,
        Self::EndsInBlock,
        Self::DamagedIdentifier,
        Self::DamagedAttribute,
        Self::OpenChain,
        Self::PartialSeal,
        Self::OtherLocation,
        Self::IllegalName,
        Self::SameName,
        Self::Utf8Name,
        Self::MirrorBlock,
    ];
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndsInHole => "a file's extents end before it does: what follows is read as zeros",
            Self::EndsInBlock => {
                "a file's last extent ends before it does: the rest of its last block is read"
            }
            Self::DamagedIdentifier => "a damaged file identifier: the next sound one is looked for",
            Self::DamagedAttribute => "a damaged extended attribute: the file is read without it",
            Self::OpenChain => "an ICB without a terminal entry: the last entry that can be reached counts",
            Self::PartialSeal => "a CRC that does not cover the whole descriptor: it is believed",
            Self::OtherLocation => "a file identifier that says it lies elsewhere: it is believed",
            Self::IllegalName => "a name that is no legal text: it is shown as far as it goes",
            Self::SameName => "a name that is there twice: a path leads to the first",
            Self::Utf8Name => "a name of 8-bit characters that is UTF-8: it is found by what was meant, too",
            Self::MirrorBlock => "a metadata block that cannot be read: the one in the mirror is used",
        })
    }
}

/// A [`Tolerance`] that was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tolerated {
    /// What was bent.
    pub tolerance: Tolerance,
    /// How often it was met; what is read twice counts twice.
    pub times: u64,
    /// The lowest block at which it was met: of the entry, or of the directory that the identifier is in.
    pub first: BlockAddress,
}

impl fmt::Display for Tolerated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {}", self.tolerance, self.first)?;
        if self.times > 1 {
            write!(f, "; met {} times", self.times)?;
        }
        f.write_str(")")
    }
}

/// What readers of a volume have met so far. Counters, because a bad volume may be bent in a million places, and because
/// threads share it.
#[derive(Debug, Default)]
pub(super) struct Met {
    strict: bool,
    counters: [Counter; Tolerance::ALL.len()],
}

#[derive(Debug)]
struct Counter {
    times: AtomicU64,
    /// Partition reference above 32 bits of block; all ones until something is met.
    first: AtomicU64,
}

impl Default for Counter {
    fn default() -> Self {
        Self { times: AtomicU64::new(0), first: AtomicU64::new(u64::MAX) }
    }
}

impl Met {
    pub(super) fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Counts what is tolerated at a block, or fails with it.
    pub(super) fn bend(&self, tolerance: Tolerance, at: BlockAddress, cause: impl Into<Error>) -> Result<()> {
        if self.strict {
            return Err(cause.into());
        }
        self.count(tolerance, at);
        Ok(())
    }

    /// Counts what is tolerated at a block.
    pub(super) fn count(&self, tolerance: Tolerance, at: BlockAddress) {
        let counter = Tolerance::ALL.iter().zip(&self.counters).find(|(one, _)| **one == tolerance);
        if let Some((_, counter)) = counter {
            let packed = u64::from(at.partition.0) << 32 | u64::from(at.block.0);
            counter.times.fetch_add(1, Ordering::Relaxed);
            counter.first.fetch_min(packed, Ordering::Relaxed);
        }
    }

    pub(super) fn list(&self) -> Vec<Tolerated> {
        let counters = Tolerance::ALL.into_iter().zip(&self.counters);
        let met = counters.filter_map(|(tolerance, counter)| {
            let times = counter.times.load(Ordering::Relaxed);
            let packed = counter.first.load(Ordering::Relaxed);
            let partition = u16::try_from(packed >> 32).ok()?;
            let block = u32::try_from(packed & u64::from(u32::MAX)).ok()?;
            (times > 0).then_some(Tolerated { tolerance, times, first: BlockAddress::new(partition, block) })
        });
        met.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, HELLO, ROOT, SEAL, SUB, blank, extended_entry, file_entry};
    use super::super::{OpenOptions, Volume};
    use super::*;
    use crate::error::{Corrupt, Fault};
    use crate::file::{
        AllocationForm, FileIdentifierDescriptor, FileType, IcbTag, IndirectEntry, TerminalEntry,
        characteristics::DIRECTORY,
    };
    use crate::general::{Descriptor, ExtentKind, ShortAd, Tag};
    use crate::units::BlockSize;
    use std::string::ToString;
    use zerocopy::IntoBytes;

    type Reader = fn(&Volume<Vec<u8>>) -> Result<()>;

    /// The files of the root, and all that is in their entries and bodies.
    fn read_all(volume: &Volume<Vec<u8>>) -> Result<()> {
        for found in volume.walk(&volume.root()?) {
            let (_, _, entry) = found?;
            volume.read_all(&entry, 1 << 20)?;
        }
        Ok(())
    }

    /// The same, but for what is damaged.
    fn read_what_can_be(volume: &Volume<Vec<u8>>) -> Result<()> {
        let found: Vec<_> = volume.directory(&volume.root()?)?.live().collect();
        let sound = found.iter().filter(|one| one.is_ok()).count();
        // The lenient find the name behind the damaged one.
        if sound == 2 { Ok(()) } else { found.into_iter().collect::<Result<Vec<_>>>().map(drop) }
    }

    fn plain() -> Fixture {
        Fixture::plain(BlockSize::B2048)
    }

    /// A root with these names in d-characters, each of `hello.txt`; then what there is of it is changed.
    fn named(names: &[&[u8]], change: impl FnOnce(&mut [u8])) -> Fixture {
        let mut fixture = plain();
        let mut body = fixture.names(ROOT, 7, &[]);
        for name in names {
            let fixed = FileIdentifierDescriptor { icb: fixture.icb(HELLO), ..blank_name() };
            fixed.append_to(&[], name, &mut body, SEAL, 7);
        }
        change(&mut body);
        fixture.root(&body);
        fixture
    }

    fn blank_name() -> FileIdentifierDescriptor {
        FileIdentifierDescriptor { file_version_number: 1.into(), ..blank() }
    }

    fn short_body() -> Fixture {
        let mut fixture = plain();
        let extent = ShortAd::new(ExtentKind::Recorded, 2048, 60);
        let at = fixture.at(HELLO);
        fixture.entry(at, FileType::REGULAR, AllocationForm::Short, 5000, extent.as_bytes());
        fixture
    }

    fn short_block() -> Fixture {
        let mut fixture = plain();
        let extent = ShortAd::new(ExtentKind::Recorded, 500, 60);
        let at = fixture.at(HELLO);
        fixture.entry(at, FileType::REGULAR, AllocationForm::Short, 700, extent.as_bytes());
        fixture
    }

    fn damaged_attribute() -> Fixture {
        let mut fixture = plain();
        let mut space = std::vec![0; 60];
        space[24] = 5;
        space[32] = 3;
        let tag = IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, 0);
        let (fixed, tail) = file_entry(tag, 2, &space, b"ab");
        fixture.put(fixture.at(HELLO), &fixed, &tail);
        fixture
    }

    /// Two entries, and no end behind the second.
    fn open_chain(is_ended: bool) -> Fixture {
        let mut fixture = plain();
        let tag = IcbTag::new(FileType::REGULAR, AllocationForm::Embedded, 0);
        let tag = IcbTag { strategy_type: 4096.into(), maximum_number_of_entries: 2.into(), ..tag };
        for block in [30, 40] {
            fixture.put(fixture.at(block), &extended_entry(tag, 1, 1), b"x");
        }
        let mut indirect: IndirectEntry = blank();
        indirect.indirect_icb = fixture.icb(40);
        fixture.put(fixture.at(31), &indirect, &[]);
        let body = fixture.names(ROOT, 7, &[("chain", 0, 30), ("sub", DIRECTORY, SUB)]);
        fixture.root(&body);
        if is_ended {
            fixture.put(fixture.at(41), &blank::<TerminalEntry>(), &[]);
        }
        fixture
    }

    fn partial_seal() -> Fixture {
        let mut fixture = plain();
        let sector = fixture.sectors_of(fixture.at(HELLO))[0];
        let kind = Tag::read(fixture.sector(sector)).unwrap().kind();
        Tag::seal_partly(fixture.sector(sector), kind, SEAL, HELLO, 0);
        fixture.sector(sector)[8] ^= 1;
        let tag = Tag::read(fixture.sector(sector)).unwrap();
        fixture.sector(sector)[4] = tag.expected_checksum();
        fixture
    }

    fn mirror_block() -> Fixture {
        let mut fixture = Fixture::with_metadata();
        let sector = fixture.sectors_of(fixture.at(HELLO))[0];
        fixture.sector(sector)[40] ^= 1;
        fixture
    }

    const A: &[u8] = b"\x08a";

    #[test]
    fn each_tolerance_is_told_and_refused_by_who_is_strict() {
        let utf8: Reader = |volume| volume.lookup("/é").map(drop);
        let seal_elsewhere = |body: &mut [u8]| {
            Tag::seal(&mut body[40..80], FileIdentifierDescriptor::IDENTIFIER, SEAL, 99);
        };
        let cases: [(Tolerance, Fixture, Reader); 16] = [
            (Tolerance::EndsInBlock, short_block(), read_all),
            (Tolerance::EndsInHole, short_body(), read_all),
            (Tolerance::DamagedIdentifier, named(&[A, A, b"\x08b"], |body| body[78] ^= 1), read_what_can_be),
            (Tolerance::DamagedAttribute, damaged_attribute(), read_all),
            (Tolerance::OpenChain, open_chain(false), read_all),
            (Tolerance::PartialSeal, partial_seal(), read_all),
            (Tolerance::OtherLocation, named(&[A], seal_elsewhere), read_all),
            (Tolerance::IllegalName, named(&[b""], |_| ()), read_all),
            (Tolerance::IllegalName, named(&[b"\x08"], |_| ()), read_all),
            (Tolerance::IllegalName, named(&[b"\xfea"], |_| ()), read_all),
            (Tolerance::IllegalName, named(&[b"\xff\0a"], |_| ()), read_all),
            (Tolerance::IllegalName, named(&[b"\x09a"], |_| ()), read_all),
            (Tolerance::IllegalName, named(&[b"\x10\xd8\x3d"], |_| ()), read_all),
            (Tolerance::SameName, named(&[A, b"\x10\0a"], |_| ()), read_all),
            (Tolerance::Utf8Name, named(&[b"\x08\xc3\xa9"], |_| ()), utf8),
            (Tolerance::MirrorBlock, mirror_block(), read_all),
        ];
        for (tolerance, fixture, read) in &cases {
            let volume = fixture.open();
            read(&volume).unwrap_or_else(|error| panic!("{tolerance:?}: {error}"));
            let told: Vec<_> = volume.tolerated().iter().map(|one| one.tolerance).collect();
            // Names that are the same are told by those who must make them differ.
            let expected = if *tolerance == Tolerance::SameName { &[][..] } else { &[*tolerance] };
            assert_eq!(told, expected);
            let options = OpenOptions { strict: true, ..OpenOptions::default() };
            let strict = Volume::open(fixture.image.clone(), &options);
            assert!(strict.and_then(|volume| read(&volume)).is_err(), "{tolerance:?}");
        }
        assert!(Tolerance::ALL.iter().all(|one| cases.iter().any(|(tolerance, ..)| tolerance == one)));
    }

    #[test]
    fn who_is_strict_reads_what_is_sound() {
        let options = OpenOptions { strict: true, ..OpenOptions::default() };
        for fixture in [plain(), Fixture::with_metadata(), open_chain(true)] {
            let volume = Volume::open(fixture.image.clone(), &options).unwrap();
            read_all(&volume).unwrap();
            assert!(volume.entry(&fixture.icb(SUB)).is_ok() && volume.tolerated().is_empty());
        }
    }

    #[test]
    fn a_path_leads_to_what_it_says_before_what_that_may_mean() {
        let meant: &[u8] = b"\x08\xc3\xa9";
        let both = named(&[meant, b"\x08\xe9"], |_| ());
        let volume = both.open();
        let found = volume.child(&volume.root().unwrap(), "é").unwrap().unwrap();
        assert_eq!(found.name, b"\x08\xe9");
        assert!(volume.tolerated().is_empty());
        let volume = named(&[meant], |_| ()).open();
        for name in ["é", "Ã©"] {
            assert_eq!(volume.child(&volume.root().unwrap(), name).unwrap().unwrap().name, meant);
        }
        assert!(volume.child(&volume.root().unwrap(), "è").unwrap().is_none());
    }

    #[test]
    fn what_is_met_is_counted_with_its_lowest_place() {
        let met = Met::new(false);
        let cause = || Corrupt::new("test", BlockAddress::new(0, 1), Fault::Missing("thing"));
        for block in [7, 3, 9] {
            met.bend(Tolerance::MirrorBlock, BlockAddress::new(1, block), cause()).unwrap();
        }
        let [only] = met.list()[..] else { panic!("{:?}", met.list()) };
        assert_eq!((only.times, only.first), (3, BlockAddress::new(1, 3)));
        assert!(only.to_string().contains("met 3 times"));
        let strict = Met::new(true);
        assert!(strict.bend(Tolerance::MirrorBlock, BlockAddress::new(1, 3), cause()).is_err());
        assert!(strict.list().is_empty());
    }
}
