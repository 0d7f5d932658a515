//! Faults of virtual and of sparable partitions (R052, R064 to R082).

use udf::Revision;
use udf::general::TagIdentifier as Kind;
use udf::partition::SparingEntry;
use udf::read::OpenOptions;

use super::super::image::{Image, add32, get32, put, set_crc_length};
use super::super::optical::{SPARES, TABLES};
use super::{Fault, On};

/// Changes the entry that holds the virtual allocation table.
fn change(image: &mut Image, change: impl Fn(&mut [u8])) {
    let last = image.last();
    image.change(&[last], change);
}

/// An entry of the table.
fn set_entry(image: &mut Image, index: usize, block: u32) {
    let (_, first) = image.table_entries();
    change(image, |table| put(table, first + 4 * index, &block.to_le_bytes()));
}

/// A field of what ends the table, of a volume of 1.50, behind the entry's 176 bytes.
fn set_trailer(image: &mut Image, at: usize, new: &[u8]) {
    set_trailer_at(image, image.last(), at, new);
}

fn set_trailer_at(image: &mut Image, sector: u32, at: usize, new: &[u8]) {
    image.change(&[sector], |table| {
        let end = 176 + get32(table, 172) as usize;
        put(table, end - 36 + at, new);
    });
}

/// How many states of a volume are listed, by following its tables.
fn sessions(bytes: &[u8]) -> usize {
    mkudf_ms::session::sessions(&bytes, &OpenOptions::default()).unwrap().len()
}

fn set(image: &mut Image, kind: Kind, at: usize, new: &[u8]) {
    let sectors = image.descriptor(kind);
    image.change(&sectors, |descriptor| put(descriptor, at, new));
}

fn set_integrity(image: &mut Image, at: usize, new: &[u8]) {
    let sectors = image.integrity();
    image.change(&sectors, |descriptor| put(descriptor, at, new));
}

/// Both copies of the sparing table with other entries: the first packet is relocated, as it really is.
fn set_spares(image: &mut Image, others: &[(u32, u32)]) {
    let entries = [&[(0, SPARES[0])], others].concat();
    image.set_tables(&TABLES, 6, &entries);
}

const AVAILABLE: u32 = SparingEntry::AVAILABLE;

pub(super) const FAULTS: &[Fault] = &[
    (&[], On::Virtual, |_| ()),
    (&[], On::OldVirtual, |_| ()),
    // Another label is how such a volume is renamed.
    (&[], On::Virtual, |image| change(image, |table| put(table, 216 + 4 + 1, b"Other"))),
    (&[29], On::Virtual, |image| {
        let second = image.last() - 256;
        image.sector(second).fill(0);
    }),
    (&[29], On::Virtual, |image| image.sector(256).fill(0)),
    (&[65], On::Virtual, |image| set(image, Kind::PARTITION, 184, &[4])),
    (&[67], On::Virtual, |image| set_integrity(image, 28, &[1])),
    (&[69], On::Virtual, |image| set_integrity(image, 92, &[5, 0, 0, 0])),
    (&[71], On::Virtual, |image| change(image, |table| add32(table, 216 + 136, 1))),
    (&[72], On::Virtual, |image| change(image, |table| put(table, 216 + 148, &[0x50, 1]))),
    (&[74], On::Virtual, |image| change(image, |table| table[27] = 0)),
    (&[74], On::OldVirtual, |image| change(image, |table| table[27] = 248)),
    // The table is gone, and with it all that is in the partition.
    (&[0, 74], On::Virtual, |image| {
        let last = image.last();
        image.sector(last).fill(0);
    }),
    (&[75], On::Virtual, |image| change(image, |table| table[216 + 150] = 1)),
    (&[75], On::Virtual, |image| {
        // It names itself as the one before it.
        change(image, |table| {
            let own = table[12..16].to_vec();
            put(table, 216 + 132, &own);
        });
    }),
    // Two tables name each other: whoever follows them would never come to an end.
    (&[29, 75], On::Virtual, |image| {
        let older = image.last();
        *image = image.with_another_table();
        let newest = image.table_block();
        image.change(&[older], |table| put(table, 216 + 132, &newest.to_le_bytes()));
        assert_eq!(sessions(image.bytes.as_slice()), 2);
    }),
    (&[29, 75], On::OldVirtual, |image| {
        *image = image.with_another_table();
        let newest = image.table_block();
        set_trailer_at(image, image.last() - 1, 32, &newest.to_le_bytes());
        assert_eq!(sessions(image.bytes.as_slice()), 2);
    }),
    (&[75], On::Virtual, |image| change(image, |table| put(table, 216 + 132, &[0; 4]))),
    // What ends a table of 1.50: whose identifier it is, of which revision, and the table before.
    (&[16], On::OldVirtual, |image| set_trailer(image, 0, &[2])),
    (&[16], On::OldVirtual, |image| set_trailer(image, 24, &[1, 2])),
    (&[75], On::OldVirtual, |image| set_trailer(image, 32, &[0; 4])),
    (&[0, 74], On::OldVirtual, |image| set_trailer(image, 5, b"other")),
    (&[75], On::Virtual, |image| {
        change(image, |table| {
            let crc = usize::from(table[10]) + 256 * usize::from(table[11]);
            for at in [56, 64, 212] {
                add32(table, at, 2);
            }
            set_crc_length(table, crc + 2);
        });
    }),
    (&[76, 79], On::Virtual, |image| set_entry(image, image.table_entries().0 - 1, 0x00FF_FFFF)),
    (&[77], On::Virtual, |image| change(image, |table| put(table, 152, &2048u32.to_le_bytes()))),
    (&[77], On::Virtual, |image| change(image, |table| put(table, 136, &2048u32.to_le_bytes()))),
    (&[78], On::Virtual, |image| set_entry(image, image.icb("dir/file").block.0 as usize, u32::MAX)),
    (&[79], On::Virtual, |image| {
        // A block that is recorded and holds nothing.
        set_entry(image, image.table_entries().0 - 1, 200);
    }),
    (&[80], On::Virtual, |image| {
        let paths = ["dir", "dir/file", "other", "fifo"];
        let highest = paths.iter().map(|path| image.volume().lookup(path).unwrap().unique_id).max();
        change(image, |table| put(table, 200, &highest.unwrap().to_le_bytes()));
    }),
    (&[99], On::Virtual, |image| change(image, |table| table[48] = 1)),
    (&[], On::Sparable, |_| ()),
    (&[10], On::Sparable, |image| image.sector(TABLES[1]).fill(0)),
    (&[52], On::Sparable, |image| {
        let sectors = image.descriptor(Kind::PARTITION);
        image.change(&sectors, |partition| add32(partition, 192, -1));
        let sectors = image.integrity();
        image.change(&sectors, |integrity| add32(integrity, 84, -1));
    }),
    (&[64], On::Sparable, |image| set(image, Kind::LOGICAL_VOLUME, 482, &[1])),
    (&[64, 81], On::Sparable, |image| set(image, Kind::LOGICAL_VOLUME, 484, &48u32.to_le_bytes())),
    (&[64], On::Sparable, |image| {
        // Both tables in one packet, and the second not where it begins.
        set(image, Kind::LOGICAL_VOLUME, 492, &(TABLES[0] + 1).to_le_bytes());
        let copy = image.sector(TABLES[0]).to_vec();
        image.sector(TABLES[0] + 1).copy_from_slice(&copy);
        image.change(&[TABLES[0] + 1], |table| put(table, 12, &(TABLES[0] + 1).to_le_bytes()));
    }),
    (&[81], On::Sparable, |image| image.set_tables(&TABLES[1..], 4, &[(0, SPARES[0])])),
    (&[81], On::Sparable, |image| {
        // Another packet is relocated, but stands behind one that is not in use.
        let [partition, _] = image.descriptor(Kind::PARTITION);
        let from = (get32(image.sector(partition), 188) + 64) as usize * 2048;
        image.bytes.copy_within(from..from + 32 * 2048, SPARES[2] as usize * 2048);
        set_spares(image, &[(AVAILABLE, SPARES[1]), (64, SPARES[2])]);
    }),
    (&[81], On::Sparable, |image| set_spares(image, &[(AVAILABLE, SPARES[1] + 1)])),
    (&[81], On::Sparable, |image| set_spares(image, &[(AVAILABLE, SPARES[0])])),
    (&[81], On::Sparable, |image| set_spares(image, &[(0xFFFF_FFF5, SPARES[1])])),
    (&[81], On::Sparable, |image| {
        image.change(&TABLES, |table| table[50] = 1);
    }),
    (&[82], On::Sparable, |image| {
        let [partition, _] = image.descriptor(Kind::PARTITION);
        let start = get32(image.sector(partition), 188);
        set_spares(image, &[(AVAILABLE, start + 32)]);
    }),
];

pub(super) fn image(on: On) -> Image {
    match on {
        On::OldVirtual => Image::with_virtual_partition(Revision::V1_50),
        On::Virtual => Image::with_virtual_partition(Revision::V2_01),
        _ => Image::with_sparable_partition(),
    }
}
