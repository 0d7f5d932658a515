//! The body of a root directory, as hostile as can be: it is read to its end, what it names is opened, and the checker ends.
//!
//! What looks like a file identifier is sealed, and located where it is.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use mkudf_ms::device::MemoryDevice;
use mkudf_ms::plan::{Identifiers, Plan, Spec, Uuid};
use mkudf_ms::progress::Progress;
use mkudf_ms::stream::{StreamOptions, stream};
use mkudf_ms::tree::{Attributes, Kind, Name, Tree};
use mkudf_ms_fuzz::mend_names;
use udf::file::FileType;
use udf::general::{Moment, Seal, Tag, TagIdentifier};
use udf::read::{OpenOptions, Volume};
use udf::{BlockSize, Revision};

const BLOCK: usize = 512;
/// Bytes that the directory can have.
const ROOM: usize = 32 * 1024;

/// A volume, and where in it are the entry of the directory and its body.
struct Template {
    bytes: Vec<u8>,
    entry: usize,
    body: usize,
    body_block: u32,
}

fn seal(bytes: &mut [u8]) {
    let tag = Tag::read(bytes).expect("a tag");
    let seal = Seal { descriptor_version: 3, serial_number: tag.serial_number.get() };
    let crc_bytes = usize::from(tag.descriptor_crc_length.get());
    Tag::seal_partly(bytes, tag.kind(), seal, tag.location.get(), crc_bytes);
}

/// A volume in which a file is made the root.
fn make() -> Template {
    let now = Moment::from_unix(1_800_000_000, 0);
    let mut tree = Tree::new(Attributes::default());
    let content = tree.add_body(vec![b'x'; ROOM].into());
    let file = tree.add_inode(Kind::File, Attributes::default(), content);
    tree.link(tree.root(), &Name::new("body").expect("a name"), file).expect("a link");
    let text = String::new;
    let identifiers = Identifiers {
        logical_volume: String::from("directories"),
        volume: None,
        volume_set: None,
        file_set: None,
        uuid: Uuid::new(now, 1),
        owner: text(),
        organization: text(),
        contact: text(),
        application: text(),
    };
    let spec = Spec {
        revision: Revision::V2_01,
        block_size: BlockSize::B512,
        identifiers,
        now,
        zone_minutes: 0,
        redundant_metadata: false,
        embed: false,
        device_blocks: None,
        rewritable_blocks: None,
        packet_blocks: None,
        pseudo_overwrite: false,
    };
    let plan = Plan::create(&tree, &spec).expect("a plan");
    let device = MemoryDevice::new();
    stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default()).expect("a volume");
    let mut bytes = device.into_bytes();
    let volume = Volume::open(&bytes, &OpenOptions::default()).expect("a volume");
    let file = volume.lookup("body").expect("the file");
    let body_start = volume.body(&file).expect("its body").extents()[0].start;
    let byte = |address| volume.locate(address).expect("a block").sector.0 as usize * BLOCK;
    let (entry, body, file_set) = (byte(file.block), byte(body_start), byte(volume.file_set_address()));
    let icb_block = file.icb.block.0;
    drop(volume);
    assert_eq!(Tag::read(&bytes[file_set..]).expect("a tag").kind(), TagIdentifier::FILE_SET);
    // The root's ICB, and the kind of file in its ICB tag.
    bytes[file_set + 404..file_set + 408].copy_from_slice(&icb_block.to_le_bytes());
    seal(&mut bytes[file_set..]);
    bytes[entry + 27] = FileType::DIRECTORY.0;
    Template { bytes, entry, body, body_block: body_start.block.0 }
}

fuzz_target!(|input: &[u8]| {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    let template = TEMPLATE.get_or_init(make);
    let mut image = template.bytes.clone();
    let length = input.len().min(ROOM);
    let body = &mut image[template.body..template.body + ROOM];
    body.fill(0);
    body[..length].copy_from_slice(&input[..length]);
    let block = |at: usize| Some(template.body_block + (at / BLOCK) as u32);
    mend_names(body, length, block);
    // Information length and object size, which an extended entry has one behind the other; the extent ends with them.
    let size = (length as u64).to_le_bytes();
    let entry = &mut image[template.entry..];
    entry[56..64].copy_from_slice(&size);
    entry[64..72].copy_from_slice(&size);
    entry[216..220].copy_from_slice(&(length as u32).to_le_bytes());
    seal(entry);

    let volume = Volume::open(&image, &OpenOptions::default()).expect("the volume itself is sound");
    let root = volume.root().expect("the root is sound");
    assert!(root.is_directory() && root.size_bytes == length as u64);
    let mut names = Vec::new();
    for (count, found) in volume.directory(&root).expect("a directory").enumerate() {
        assert!(count <= length / 4 + 1, "{count} names in {length} bytes");
        let Ok(found) = found else { continue };
        let _ = found.name_text();
        if found.is_live() {
            names.push(found);
        }
    }
    for found in names.iter().take(50) {
        let again = volume.entry(&found.icb);
        if let Ok(entry) = again {
            let _ = volume.read(&entry, 0, &mut [0; 100]);
        }
    }
    let steps = volume.walk(&root).take(10_000).count();
    assert!(steps < 10_000, "a walk does not end");
    let _ = udf::check::check(&image, &OpenOptions::default(), &mut |_| ());
});
