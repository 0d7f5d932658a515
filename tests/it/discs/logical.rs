//! Logical sessions on discs that are written one sector after the other: each a file system of its own, which refers to the
//! data of those before it.

use std::fs;

use mkudf_ms::device::{Event, MemoryDevice, Recorder};
use mkudf_ms::media::VolumeLayout;
use mkudf_ms::progress::Progress;
use mkudf_ms::session::newest_whole;
use mkudf_ms::stream::{StreamOptions, stream};
use udf::read::Volume;
use udf::{Revision, Sector};

use super::{MEDIA, Request, Story, plan_append, target};
use crate::support::manifest::{self, assert_same};

#[test]
fn every_medium_and_revision_follows_the_model_through_sessions() {
    for (row, medium) in (0..).zip(MEDIA) {
        for (column, revision) in (0..).zip(Revision::ALL) {
            if (row + column) % 2 != 0 && medium != "bd-r" {
                continue;
            }
            let mut story =
                Story::with_layout(VolumeLayout::Session, medium, revision, 500 + 10 * row + column, true);
            story.append(12, true, true);
            story.append(12, false, true);
            story.append(12, true, true);
            let volume = Volume::open(story.disc(), &story.newest()).unwrap();
            let found = mkudf_ms::session::sessions(volume.device(), &story.newest()).unwrap();
            let starts: Vec<_> = found.iter().map(|session| session.start.0).collect();
            let closed: Vec<_> =
                volume.device().closed_sessions().iter().map(|session| session.start).collect();
            assert_eq!(starts, closed, "{medium}: each session begins where the drive says");
        }
    }
}

#[test]
fn a_power_cut_leaves_the_old_session_until_the_last_anchor_of_the_new_one_is_there() {
    for (medium, revision) in
        [("cd-r", Revision::V1_02), ("dvd-r", Revision::V2_01), ("bd-r", Revision::V2_50)]
    {
        let mut story = Story::with_layout(VolumeLayout::Session, medium, revision, 61, true);
        story.folder.change(20);
        let new = manifest::of_folder(story.folder.path());
        let disc = story.disc();
        let first = disc.sessions().unwrap()[0];
        let request = Request {
            folder: story.folder.path(),
            open: story.newest(),
            target: Some(target(&disc)),
            update: true,
        };
        let (tree, plan) = plan_append(&disc, &request);
        let recorder = Recorder::new(disc);
        let old = fs::read(&story.image).unwrap();
        let volume = MemoryDevice::from(old.clone());
        stream(&plan, &tree, &recorder, Some(&volume), &Progress::new(), &StreamOptions::default()).unwrap();
        let mut bytes = old;
        let mut start = None;
        for event in recorder.into_parts().1 {
            if let Event::Write { offset_bytes, bytes: piece } = event {
                let offset = usize::try_from(offset_bytes).unwrap();
                start.get_or_insert(offset);
                bytes.resize(offset, 0);
                bytes.extend(piece);
            }
        }
        let (start, end) = (start.unwrap() / 2048, bytes.len() / 2048);
        let near_end = (end - 40..=end).chain((start + 1..end).step_by(37)).chain(start + 250..start + 300);
        for cut in near_end {
            let device = MemoryDevice::from(bytes[..cut * 2048].to_vec());
            let sector = |at: usize| Sector(u32::try_from(at).unwrap());
            let sessions = [(Sector(first.start), Sector(first.last)), (sector(start), sector(cut - 1))];
            let whole = newest_whole(&device, &sessions);
            let context = format!("{}: {cut} of {end}", story.context);
            assert_eq!(whole.broken.is_empty(), cut == end, "{context}");
            let volume = Volume::open(&device, &whole.options().unwrap()).unwrap();
            let expected = if cut == end { &new } else { &story.states[0] };
            assert_same(expected, &manifest::of_volume(&volume), &context);
        }
    }
}

#[test]
fn only_what_changes_and_the_directories_are_written() {
    for (revision, most) in [(Revision::V2_01, 1024), (Revision::V2_50, 1024)] {
        let mut story = Story::with_layout(VolumeLayout::Session, "bd-r", revision, 62, true);
        fs::write(story.folder.path().join("large"), vec![1; 20 << 20]).unwrap();
        story.append(0, true, true);
        let before = fs::metadata(&story.image).unwrap().len();
        fs::write(story.folder.path().join("small"), "small").unwrap();
        story.append(0, true, true);
        let written = (fs::metadata(&story.image).unwrap().len() - before) / 2048;
        assert!(written < most, "{revision}: {written} sectors");
    }
}
