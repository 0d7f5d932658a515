//! Tests of image files.

use proptest::prelude::*;

use super::super::buffer::Buffer;
use super::*;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_new_image_appears_when_it_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.udf");
    fs::write(&path, "old").unwrap();
    let image = ImageFile::create(&path).unwrap();
    image.reserve(8192).unwrap();
    image.write_at(0, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    image.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 8192);
    assert!(fs::read(&path).unwrap().starts_with(b"new\0"));
    assert_eq!(names(directory.path()), ["image.udf"]);
}

#[test]
fn a_new_image_that_is_given_up_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let image = ImageFile::create(directory.path().join("image.udf")).unwrap();
    image.write_at(0, &[1; 8192]).unwrap();
    assert_eq!(names(directory.path()).len(), 1);
    drop(image);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_symbolic_link_keeps_pointing_to_the_image() {
    let directory = tempfile::tempdir().unwrap();
    let [path, link] = ["image.udf", "link"].map(|name| directory.path().join(name));
    fs::write(&path, "old").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let image = ImageFile::create(&link).unwrap();
    image.write_at(0, b"new").unwrap();
    image.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(link.is_symlink());
}

#[test]
fn an_append_that_is_given_up_is_taken_back_unless_the_old_part_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.udf");
    fs::write(&path, [7; 6000]).unwrap();
    let append = |offset: u64| {
        let image = ImageFile::open(&path).unwrap();
        image.reserve(20000).unwrap();
        image.write_at(offset, &[9; 100]).unwrap();
        image
    };
    drop(append(6000));
    assert_eq!(fs::read(&path).unwrap(), [7; 6000]);
    append(6000).commit().unwrap();
    assert_eq!(fs::read(&path).unwrap()[5999..6101], [&[7][..], &[9; 100], &[0]].concat());
    fs::write(&path, [7; 6000]).unwrap();
    drop(append(5999));
    assert_eq!(fs::read(&path).unwrap().len(), 20000, "what was changed there may need what was appended");
}

#[test]
fn two_cannot_append_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let first = ImageFile::open(file.path()).unwrap();
    assert_eq!(ImageFile::open(file.path()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop(first);
    assert!(ImageFile::open(file.path()).is_ok());
}

#[test]
fn more_than_there_can_be_is_noticed_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let image = ImageFile::create(directory.path().join("image.udf")).unwrap();
    assert!(image.reserve(1 << 62).is_err());
}

#[test]
fn copies_are_what_files_hold_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    let content: Vec<u8> = (0..40_000_u32).map(|index| (index / 7).to_le_bytes()[0]).collect();
    fs::write(&source, &content).unwrap();
    let image = ImageFile::create(directory.path().join("image.udf")).unwrap();
    image.reserve(65536).unwrap();
    let taken = length(image.copy_from(4096, &File::open(&source).unwrap(), 8192, 65536).unwrap());
    assert!(taken <= content.len() - 8192);
    let mut out = vec![0; taken];
    image.read_at(4096, &mut out).unwrap();
    assert_eq!(out, content[8192..][..taken]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a write lies, in memory and in the file, it ends up where it belongs; with and without `O_DIRECT`.
    #[test]
    fn direct_and_buffered_writes_are_equal(
        writes in prop::collection::vec((0_u64..40, 1_usize..40, any::<bool>(), any::<u8>()), 1..20),
        past_the_cache in any::<bool>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut image = ImageFile::create(directory.path().join("image.udf")).unwrap();
        if !past_the_cache {
            image.direct = None;
        }
        let mut expected = vec![0; 80 * 512];
        image.reserve(expected.len() as u64).unwrap();
        let mut buffer = Buffer::new(expected.len());
        for (offset, length, is_aligned, value) in writes {
            let (offset, length) = (offset * 512, length * 512);
            let part = buffer.part(if is_aligned { offset } else { offset + 512 }, length);
            part.fill(value);
            image.write_at(offset, part).unwrap();
            expected[usize::try_from(offset).unwrap()..][..length].fill(value);
        }
        let mut out = vec![0; expected.len()];
        image.read_at(0, &mut out).unwrap();
        prop_assert!(out == expected);
    }
}
