//! One file of a rescue: made as far as it is left, and judged.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;

use rustix::fs::{AtFlags, unlinkat};
use udf::file::{AllocationForm, FileType};
use udf::general::{LongAd, text};
use udf::read::{Entry, ReadAt};

use super::ground::{Claimant, version};
use super::listing::{Found, mended};
use super::save::{Here, Mode, Pending, Saver, To};
use super::survey::{Source, is_same, is_stream};
use super::verdict::{Item, ItemKind, Reason, Verdict};
use crate::error::{Result, Warning};
use crate::extract::{Names, Place, Trouble};

impl<R: ReadAt> Saver<'_, '_, R> {
    /// What is left of something whose entry is lost: names found by themselves, an older version, or nothing.
    pub(super) fn without_entry(
        &mut self,
        here: &Here,
        to: &mut To,
        name: &str,
        found: &Found,
        mut item: Item,
        error: &udf::Error,
    ) -> Result<()> {
        item.reasons.push(Reason::NoEntry(error.to_string()));
        if found.is_directory() {
            item.kind = ItemKind::Directory;
            let loose = self.survey.loose_of.get(&found.icb.start()).filter(|_| here.number == 0);
            if let Some(index) = loose.copied() {
                item.reasons = here.reasons.iter().cloned().chain([Reason::FoundNames]).collect();
                let Some(to) = self.folder(here, to, name, None, &mut item)? else { return Ok(()) };
                let reasons = item.reasons.clone().into();
                self.pending.push(Pending {
                    from: Source::Loose(index),
                    to,
                    mode: here.mode,
                    reasons,
                    item: Some(item),
                });
                return Ok(());
            }
        } else if here.mode == Mode::Newest
            && let Some((number, entry)) = self.older_version(&item)
        {
            item.reasons.push(Reason::Older);
            know(&mut item, &entry);
            let here = Here { number, mode: Mode::Older, reasons: here.reasons.clone() };
            self.versions.insert(version(&entry));
            return self.file(&here, to, name, entry, item);
        }
        if here.mode == Mode::Newest || here.mode == Mode::Other {
            self.told(&Item { verdict: Verdict::Lost, ..item });
        }
        Ok(())
    }

    /// What an earlier state of the volume has under the same path.
    fn older_version(&self, item: &Item) -> Option<(usize, Entry)> {
        let path = item.path.to_str()?;
        let views = self.survey.views.iter().enumerate().skip(1);
        let mut found = views.filter_map(|(number, view)| Some((number, view.volume.lookup(path).ok()?)));
        found.find(|(_, entry)| !entry.is_directory())
    }

    /// Something deleted, if its entry is left and nobody else's.
    pub(super) fn deleted(&mut self, here: &Here, to: &To, found: &Found, entry: &Entry) -> Result<()> {
        if !is_same(found, entry) || !self.is_left(here.number, entry) {
            return Ok(());
        }
        let mut path = vec![self.lost_folder.clone(), String::from("deleted")];
        let above = self.path(to, "");
        path.extend(above.iter().skip(1).filter_map(|name| name.to_str()).map(String::from));
        let mut to = To::Wanted(path);
        let reasons: Rc<[Reason]> = here.reasons.iter().cloned().chain([Reason::Deleted]).collect();
        let here = Here { number: here.number, mode: Mode::Deleted, reasons };
        self.child(&here, &mut to, &mut Names::default(), found)
    }

    /// Whether an entry belongs to nothing but a deleted name.
    pub(super) fn is_left(&self, number: usize, entry: &Entry) -> bool {
        let at_bytes = self.survey.views[number].device_byte(entry.icb);
        at_bytes.is_some_and(|at_bytes| !self.survey.ground.reached.has(at_bytes))
    }

    /// Makes something that is in no directory.
    pub(super) fn nameless(
        &mut self,
        number: usize,
        icb: LongAd,
        names: &mut Names,
        reasons: &[Reason],
    ) -> Result<()> {
        let Ok(entry) = self.survey.views[number].volume.entry(&icb) else { return Ok(()) };
        if !self.versions.insert(version(&entry)) {
            return Ok(());
        }
        let name = names.take(&text::encode(&format!("icb-{}", entry.icb.block.0))).text;
        let mut to = To::Wanted(vec![self.lost_folder.clone()]);
        let reason = if is_stream(&entry) { Reason::Stream } else { Reason::NoName };
        let reasons: Rc<[Reason]> = reasons.iter().cloned().chain([reason]).collect();
        let mut item = item(self.path(&to, &name), ItemKind::Unknown, &icb, &reasons);
        know(&mut item, &entry);
        self.file(&Here { number, mode: Mode::Other, reasons }, &mut to, &name, entry, item)
    }

    /// Makes a file, a link or a node, and judges it.
    pub(super) fn file(
        &mut self,
        here: &Here,
        to: &mut To,
        name: &str,
        entry: Entry,
        mut item: Item,
    ) -> Result<()> {
        let view = &self.survey.views[here.number];
        let folder = self.made(to)?;
        let entry = mended(&view.volume, entry);
        let has_blocks = entry.form != AllocationForm::Embedded && entry.size_bytes > 0;
        if self.survey.ground.is_contested(view, &entry, claimant(here.mode))
            || (has_blocks && self.survey.ground.is_exhausted())
        {
            item.reasons.push(Reason::Overlap);
        } else if has_blocks && self.is_written_over && here.mode == Mode::Newest {
            item.reasons.push(Reason::WrittenOver);
        }
        let host = self.folders.open(folder).map_err(|error| Trouble::host("cannot open", &item.path, error));
        let made = host.and_then(|host| {
            let place = Place { folder, host: host.as_fd(), name };
            let made = self.make(here.number, place, &entry, &mut item);
            if made.is_ok() && item.missing_bytes > 0 && Some(item.missing_bytes) == item.size_bytes {
                // Nothing but zeros says less than no file.
                let _ = unlinkat(place.host, name, AtFlags::empty());
                item.verdict = Verdict::Lost;
            }
            made
        });
        self.progress.add_files(1);
        match made {
            Ok(()) => self.judged(item),
            Err(Trouble::Here(why)) => {
                item.reasons.push(Reason::Host(why));
                self.told(&Item { verdict: Verdict::Lost, ..item });
            }
            Err(Trouble::Everywhere(error)) => return Err(error),
        }
        Ok(())
    }

    /// Makes it, or links it to what was made of it under another name, and notes what is missing.
    fn make(
        &mut self,
        number: usize,
        place: Place<'_>,
        entry: &Entry,
        item: &mut Item,
    ) -> Result<(), Trouble> {
        let extraction = &self.extractions[number];
        let takes_streams = extraction.takes_streams() && item.kind == ItemKind::File;
        if !takes_streams && entry.stream_directory.is_some() {
            self.summary.with_streams += 1;
        }
        let made = if entry.links > 1 {
            extraction.link_or_make(place, entry)
        } else {
            extraction.make(place, entry)
        };
        for warning in extraction.take_warnings() {
            match warning {
                Warning::Damaged { why, missing_bytes, .. } => {
                    item.missing_bytes = missing_bytes;
                    item.reasons.push(Reason::Missing { bytes: missing_bytes, why });
                    if entry.links > 1 {
                        self.linked.insert((number, entry.icb), (item.reasons.clone(), missing_bytes));
                    }
                }
                Warning::NotRestored { why, .. } => {
                    item.not_restored = Some(match item.not_restored.take() {
                        None => why,
                        Some(before) => format!("{before}; {why}"),
                    });
                }
                other => item.reasons.push(Reason::Host(other.to_string())),
            }
        }
        if let Some((reasons, missing_bytes)) = self.linked.get(&(number, entry.icb)) {
            item.missing_bytes = *missing_bytes;
            let more: Vec<_> =
                reasons.iter().filter(|reason| !item.reasons.contains(reason)).cloned().collect();
            item.reasons.extend(more);
        }
        made
    }
}

/// Whose claims on blocks count against it.
pub(super) fn claimant(mode: Mode) -> Claimant {
    if mode == Mode::Newest { Claimant::Newest } else { Claimant::Other }
}

/// Something of which nothing is known yet but its name.
pub(super) fn item(path: PathBuf, kind: ItemKind, icb: &LongAd, reasons: &[Reason]) -> Item {
    Item {
        path,
        kind,
        verdict: Verdict::Certain,
        reasons: reasons.to_vec(),
        recorded_name: None,
        size_bytes: None,
        missing_bytes: 0,
        unique_id: None,
        icb: icb.start(),
        not_restored: None,
    }
}

/// Notes what an entry says.
pub(super) fn know(item: &mut Item, entry: &Entry) {
    item.kind = match entry.kind {
        FileType::REGULAR | FileType::REAL_TIME | FileType::UNSPECIFIED => ItemKind::File,
        FileType::DIRECTORY | FileType::STREAM_DIRECTORY => ItemKind::Directory,
        FileType::SYMBOLIC_LINK => ItemKind::Symlink,
        _ => ItemKind::Special,
    };
    item.size_bytes = (item.kind == ItemKind::File).then_some(entry.size_bytes);
    item.unique_id = Some(entry.unique_id);
    item.icb = entry.icb;
}
