//! Rescue: volumes damaged in many ways. What survives comes back bit for bit, and nothing wrong is ever called certain.

mod bench;
mod damage;
mod ddrescue;
mod discs;
mod hostile;
mod sparable;
mod streams;

use mkudf_ms::rescue::{Options, Reason, Verdict};
use udf::general::Moment;

use self::bench::{Case, FORMATS};
use crate::support::build::NOW;
use crate::support::manifest::assert_same;

#[test]
fn of_a_sound_volume_everything_is_certain() {
    for (seed, (revision, block_size)) in (1..).zip(FORMATS) {
        for sessions in [1, 3] {
            let case = Case::new(revision, block_size, seed, sessions);
            let rescued = case.rescue(&case.image, Vec::new());
            rescued.assert_whole(&case);
            assert_eq!(rescued.summary.states, sessions, "{}", case.name);
            assert!(!rescued.folder.path().join("lost+found").exists(), "{}: {rescued:#?}", case.name);
        }
    }
}

#[test]
fn older_sessions_give_what_they_had_on_request() {
    let (mut versions, mut expected) = (0, 0);
    for (seed, (revision, block_size)) in (11..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 3);
        let options = Options { all_versions: true, ..Options::default() };
        let rescued = case.rescue_with(&case.image, Vec::new(), None, &options);
        assert_eq!(rescued.of(Verdict::Certain).count(), rescued.items.len(), "{}: {rescued:?}", case.name);
        let found = rescued.found();
        for (back, session) in case.sessions.iter().rev().enumerate().skip(1) {
            let prefix = format!("older/{back}/");
            for (path, item) in
                found.iter().filter_map(|(path, item)| Some((path.strip_prefix(&prefix)?, item)))
            {
                versions += u32::from(item.body.is_some());
                assert_eq!(item.body, session[path].body, "{}: {prefix}{path}", case.name);
            }
            // What the next session has no more, or with another content, must be there.
            let next = &case.sessions[case.sessions.len() - back];
            for (path, item) in session.iter().filter(|(_, item)| item.body.is_some()) {
                let is_changed = next.values().all(|other| other.body != item.body);
                expected += u32::from(is_changed);
                let is_there =
                    found.iter().any(|(path, found)| path.starts_with("older/") && found.body == item.body);
                assert!(!is_changed || is_there, "{}: {path} of {back} sessions ago", case.name);
            }
        }
    }
    assert!(versions > 20 && expected > 5, "{versions} versions, {expected} expected");
}

#[test]
fn whichever_volume_descriptors_are_lost_everything_is_certain_while_one_copy_is_left() {
    for (seed, (revision, block_size)) in (21..).zip(FORMATS) {
        for sessions in [1, 2] {
            let case = Case::new(revision, block_size, seed, sessions);
            for (what, bad) in damage::volume_descriptors(&case) {
                let rescued = case.rescue(&case.image, bad);
                assert_same(case.newest(), &rescued.found(), &format!("{}, {what}", case.name));
                let doubts = &rescued.summary.doubts;
                assert!(doubts.is_empty(), "{}, {what}: {doubts:?}", case.name);
                rescued.assert_whole(&case);
            }
        }
    }
}

#[test]
fn without_any_volume_descriptor_the_tree_is_whole_and_certain_if_the_count_agrees() {
    for (seed, (revision, block_size)) in (31..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 1);
        for (what, image) in damage::all_volume_descriptors(&case) {
            let rescued = case.rescue(&image, Vec::new());
            assert_same(case.newest(), &rescued.found(), &format!("{}, {what}", case.name));
            let is_counted = what.contains("integrity descriptor stays");
            let certain = rescued.of(Verdict::Certain).count();
            assert_eq!(
                certain,
                if is_counted { case.newest().len() } else { 0 },
                "{}, {what}: {rescued:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_lost_file_set_is_replaced_by_the_root_directory() {
    for (seed, (revision, block_size)) in (41..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 1);
        let rescued = case.rescue(&case.image, damage::file_set(&case));
        assert_same(case.newest(), &rescued.found(), &case.name);
        // The integrity descriptor counts as many.
        rescued.assert_whole(&case);
    }
}

#[test]
fn a_lost_root_directory_costs_the_names_in_it_and_nothing_below() {
    for (seed, (revision, block_size)) in (51..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 1);
        let rescued = case.rescue(&case.image, damage::root(&case));
        let context = format!("{}: {rescued:?}", case.name);
        rescued.assert_honest(&case, "no root");
        // All that is left is doubtful: no way leads to it.
        assert_eq!(rescued.of(Verdict::Certain).count(), 0, "{context}");
        damage::assert_all_bodies(&case, &rescued, |_| true, &context);
        // What is below the first level has kept its names.
        let found = rescued.found();
        for path in case.newest().keys().filter(|path| path.contains('/')) {
            let (_, below) = path.split_once('/').unwrap();
            let is_there = found.keys().any(|found| found.ends_with(&format!("/{below}")));
            assert!(is_there, "{context}: {path}");
        }
    }
}

#[test]
fn a_lost_directory_or_file_costs_itself_only() {
    for (seed, (revision, block_size)) in (61..).zip(FORMATS) {
        let case = Case::new(revision, block_size, seed, 1);
        for (path, kind, bad) in damage::entries(&case) {
            let rescued = case.rescue(&case.image, bad);
            let context = format!("{}, entry of {path}: {rescued:?}", case.name);
            rescued.assert_honest(&case, &format!("entry of {path}"));
            let names_of_it =
                case.newest().values().filter(|item| item.body == case.newest()[&path].body).count();
            if kind == "directory" {
                damage::assert_all_bodies(&case, &rescued, |_| true, &context);
            } else {
                assert_eq!(rescued.items[&path].verdict, Verdict::Lost, "{context}");
                assert!(names_of_it > 0);
                damage::assert_all_bodies(
                    &case,
                    &rescued,
                    |item| item.body != case.newest()[&path].body,
                    &context,
                );
            }
            let prefix = format!("{path}/");
            for (other, item) in rescued.items.iter().filter(|(other, _)| case.newest().contains_key(*other))
            {
                let is_touched = *other == path
                    || other.starts_with(&prefix)
                    || (kind != "directory" && item.icb == rescued.items[&path].icb);
                assert!(is_touched || item.verdict == Verdict::Certain, "{context}: {other}");
            }
        }
    }
}

#[test]
fn names_that_lost_their_directory_keep_it_where_others_tell_which_it_was() {
    // With blocks of 512 bytes a directory is not in its entry.
    for (revision, block_size) in [FORMATS[1], FORMATS[5]] {
        let mut found = 0;
        for seed in 71..76 {
            let case = Case::new(revision, block_size, seed, 1);
            for (path, kind, bad) in damage::entries(&case) {
                let prefix = format!("{path}/");
                let below = case.newest().keys().filter(|name| name.starts_with(&prefix)).count();
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if kind == "directory" && below > 2 && !damage::is_embedded(&case, &path) {
                    let rescued = case.rescue(&case.image, bad);
                    let context = format!("{}, {path} in {parent:?}: {rescued:?}", case.name);
                    for name in case.newest().keys().filter(|name| name.starts_with(&prefix)) {
                        let item = rescued.items.get(name).unwrap_or_else(|| panic!("{context}: no {name}"));
                        assert!(item.verdict == Verdict::Doubtful, "{context}: {name}");
                        assert!(item.reasons.contains(&Reason::FoundNames), "{context}: {name}");
                    }
                    found += 1;
                }
            }
        }
        assert!(found > 2, "{revision}: {found} directories");
    }
}

#[test]
fn both_copies_of_the_metadata_files_entries_may_be_lost() {
    for (seed, (revision, block_size)) in (81..).zip(&FORMATS[4..]) {
        for sessions in [1, 2] {
            let case = Case::new(*revision, *block_size, seed, sessions);
            let rescued = case.rescue(&case.image, damage::metadata_files(&case));
            rescued.assert_honest(&case, "no metadata files");
            if sessions == 1 {
                assert_same(case.newest(), &rescued.found(), &case.name);
            }
        }
    }
}

#[test]
fn a_volume_without_its_beginning_or_end_gives_what_is_left() {
    for (seed, (revision, block_size)) in (91..).zip(FORMATS) {
        for sessions in [1, 2] {
            let case = Case::new(revision, block_size, seed, sessions);
            for (what, image) in damage::cuts(&case) {
                let rescued = case.rescue(&image, Vec::new());
                rescued.assert_honest(&case, &what);
                let context = format!("{}, {what}: {rescued:?}", case.name);
                damage::assert_left(&case, &image, &rescued, &context);
            }
        }
    }
}

#[test]
fn of_a_volume_written_over_by_another_nothing_is_certain_but_the_other_is() {
    for (seed, (revision, block_size)) in (101..).zip(FORMATS) {
        let old = Case::new(revision, block_size, seed, 2);
        // Half of the formats over each, in turn.
        let others = (1..).zip(FORMATS).filter(|(number, _)| (number + seed) % 2 == 0);
        for (number, (new_revision, new_size)) in others {
            for is_later in [true, false] {
                let now = Moment { microseconds: NOW.microseconds + i64::from(is_later) };
                let new = Case::made(new_revision, new_size, seed + 1000 * number, 1, now);
                let mut image = old.image.clone();
                let end = new.image.len().min(image.len());
                image[..end].copy_from_slice(&new.image[..end]);
                image.extend_from_slice(&new.image[end..]);
                let rescued = new.rescue(&image, Vec::new());
                let context = format!("{} over {}", new.name, old.name);
                rescued.assert_honest(&new, &context);
                if is_later {
                    // Of the old one nothing is certain, of the new one everything.
                    let certain = rescued.of(Verdict::Certain).count();
                    assert_eq!(certain, new.newest().len(), "{context}: {rescued:?}");
                    let found = rescued.found();
                    for (path, item) in new.newest() {
                        assert_eq!(found[path].body, item.body, "{context}: {path}");
                    }
                }
                // With what leads to it lost, too.
                for (what, bad) in damage::every_structure(&new).into_iter().step_by(5) {
                    let rescued = new.rescue(&image, bad);
                    rescued.assert_honest(&new, &format!("over {}, {what}, later {is_later}", old.name));
                }
            }
        }
    }
}

#[test]
fn whatever_sectors_are_bad_nothing_wrong_is_certain() {
    for (seed, (revision, block_size)) in (201..).zip(FORMATS) {
        for sessions in [1, 2] {
            let case = Case::new(revision, block_size, seed, sessions);
            for round in 0..12 {
                let (bad, image) = damage::random(&case, seed * 100 + round);
                let rescued = case.rescue(&image, bad.clone());
                rescued.assert_honest(&case, &format!("round {round}"));
                let context = format!("{}, round {round}: {rescued:?}", case.name);
                damage::assert_left_but(&case, &image, &bad, &rescued, &context);
            }
        }
    }
}
