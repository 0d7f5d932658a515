//! `ls`: names, one a line; with attributes; as JSON. Directories are streamed, so a million entries take no memory.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};

use jiff::tz::TimeZone;
use udf::BlockAddress;
use udf::read::{Directory, DirectoryEntry, Entry, ReadAt, Volume};

use crate::facts::{self, Kind};
use crate::flags::Ls;
use crate::report::{Ending, Report};
use crate::text;
use crate::{open, values};

/// Lists what the flags ask for.
pub(crate) fn run(flags: &Ls, report: &Report) -> anyhow::Result<Ending> {
    let volume = open::open(&flags.reading, report)?;
    let stdout = io::stdout();
    let mut lister = Lister {
        volume: &volume,
        flags,
        report,
        zone: TimeZone::system(),
        out: BufWriter::with_capacity(1 << 16, stdout.lock()),
        seen: HashSet::new(),
        ending: Ending::Done,
    };
    let path = values::volume_path(flags.path.as_deref().unwrap_or("/"));
    if flags.streams {
        let streams = match &flags.path {
            Some(_) => volume.streams(&volume.lookup(&path)?)?,
            None => volume.system_streams()?,
        };
        if let Some(streams) = streams {
            lister.contents(if flags.path.is_some() { &path } else { "" }, &streams)?;
        }
        lister.out.flush()?;
        return Ok(lister.ending);
    }
    let done = list_path(&mut lister, &path);
    lister.out.flush()?;
    open::tell_tolerated(&volume, &flags.reading.image, report);
    done.map(|()| lister.ending)
}

/// Lists a path.
fn list_path<R: ReadAt>(lister: &mut Lister<'_, R>, path: &str) -> anyhow::Result<()> {
    let start = lister.volume.lookup(path)?;
    if start.is_directory() && !lister.flags.directory {
        lister.directory(path, &start)
    } else {
        lister.one(path, path, &start, false)
    }
}

struct Lister<'a, R> {
    volume: &'a Volume<R>,
    flags: &'a Ls,
    report: &'a Report,
    zone: TimeZone,
    out: BufWriter<io::StdoutLock<'a>>,
    /// Directories that were listed: a damaged volume may have one in itself.
    seen: HashSet<BlockAddress>,
    ending: Ending,
}

/// A directory that is being listed.
struct Level<'a, R> {
    path: String,
    entries: Directory<'a, R>,
}

impl<'a, R: ReadAt> Lister<'a, R> {
    fn directory(&mut self, path: &str, start: &Entry) -> anyhow::Result<()> {
        match (self.flags.recursive, self.report.json) {
            (false, _) => self.contents(path, start),
            (true, true) => self.descend(path, start, Self::show),
            (true, false) => {
                self.headed(path, start)?;
                self.descend(path, start, |lister, path, found| {
                    if !found.is_directory() {
                        return Ok(None);
                    }
                    let Some(entry) = lister.entry(path, found) else { return Ok(None) };
                    if entry.is_directory() && !lister.seen.contains(&entry.icb) {
                        writeln!(lister.out)?;
                        lister.headed(path, &entry)?;
                    }
                    Ok(Some(entry))
                })
            }
        }
    }

    /// Visits all that is below a directory, each directory right before what is in it. No directory is entered twice, and
    /// all that is held are the directories on the way down.
    fn descend(
        &mut self,
        path: &str,
        start: &Entry,
        mut visit: impl FnMut(&mut Self, &str, &DirectoryEntry) -> anyhow::Result<Option<Entry>>,
    ) -> anyhow::Result<()> {
        let mut levels: Vec<Level<'a, R>> = Vec::new();
        levels.extend(self.enter(path, start));
        while let Some(level) = levels.last_mut() {
            let Some(found) = level.entries.next() else {
                levels.pop();
                continue;
            };
            let at = level.path.clone();
            let Some(found) = self.sound(&at, found) else { continue };
            let path = join(&at, &found);
            if let Some(entry) = visit(self, &path, &found)?.filter(Entry::is_directory) {
                levels.extend(self.enter(&path, &entry));
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: &str, directory: &Entry) -> Option<Level<'a, R>> {
        if !self.seen.insert(directory.icb) {
            self.trouble(path, "the volume is damaged: this directory has another place, too");
            return None;
        }
        match self.volume.directory(directory) {
            Ok(entries) => Some(Level { path: path.into(), entries }),
            Err(error) => {
                self.trouble(path, &error.to_string());
                None
            }
        }
    }

    /// A directory's path and, below it, what is in it, as `ls -R` has it.
    fn headed(&mut self, path: &str, directory: &Entry) -> anyhow::Result<()> {
        let shown = self.shown(path);
        writeln!(self.out, "{shown}:")?;
        self.contents(path, directory)
    }

    fn contents(&mut self, path: &str, directory: &Entry) -> anyhow::Result<()> {
        let entries = match self.volume.directory(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.trouble(path, &error.to_string());
                return Ok(());
            }
        };
        for found in entries {
            if let Some(found) = self.sound(path, found) {
                self.show(&join(path, &found), &found)?;
            }
        }
        Ok(())
    }

    /// A live entry; damaged ones are told, the others passed over.
    fn sound(&mut self, path: &str, found: udf::Result<DirectoryEntry>) -> Option<DirectoryEntry> {
        match found {
            Ok(found) => found.is_live().then_some(found),
            Err(error) => {
                self.trouble(path, &error.to_string());
                None
            }
        }
    }

    /// Prints an entry; gives back what its ICB says if that had to be read.
    fn show(&mut self, path: &str, found: &DirectoryEntry) -> anyhow::Result<Option<Entry>> {
        if !self.flags.long && !self.report.json {
            let name = found.name_text();
            writeln!(self.out, "{}", self.shown(&name))?;
            return Ok(None);
        }
        let Some(entry) = self.entry(path, found) else { return Ok(None) };
        self.one(path, &found.name_text(), &entry, found.is_hidden())?;
        Ok(Some(entry))
    }

    fn one(&mut self, path: &str, name: &str, entry: &Entry, is_hidden: bool) -> anyhow::Result<()> {
        let target = match Kind::of(entry) {
            Kind::Symlink => {
                self.volume.symlink_target(entry).map_err(|error| self.trouble(path, &error.to_string())).ok()
            }
            _ => None,
        };
        if self.report.json {
            let object = facts::json(path, entry, target.as_deref(), is_hidden);
            writeln!(self.out, "{}", text::Json(&object))?;
        } else if self.flags.long {
            let facts = facts::long(entry, target.as_deref(), &self.zone);
            let arrow = target.map_or(String::new(), |target| format!(" -> {}", self.shown(&target)));
            writeln!(self.out, "{facts} {}{arrow}", self.shown(name))?;
        } else {
            writeln!(self.out, "{}", self.shown(name))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &str, found: &DirectoryEntry) -> Option<Entry> {
        self.volume.entry(&found.icb).map_err(|error| self.trouble(path, &error.to_string())).ok()
    }

    /// What cannot be read is told, and the rest listed.
    fn trouble(&mut self, path: &str, why: &str) {
        self.report.failure(&format!("{path}: {why}"));
        self.ending = Ending::Failed;
    }

    #[allow(clippy::unused_self, reason = "all that is printed goes through here")]
    fn shown<'t>(&self, name: &'t str) -> std::borrow::Cow<'t, str> {
        text::escaped(name)
    }
}

fn join(path: &str, found: &DirectoryEntry) -> String {
    let mut path = String::from(path);
    if !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(&found.name_text());
    path
}
