//! What the flags of `create` and `append` mean: sources, options, times and identifiers, with the environment taken in.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mkudf_ms::builder::BuildError;
use mkudf_ms::media::{self, Medium, VolumeLayout, Writing};
use mkudf_ms::plan::{Identifiers, Uuid};
use mkudf_ms::scan::{self, Conflict, Filter, Source};
use mkudf_ms::stream::StreamOptions;
use udf::general::{DString, Moment};
use udf::{BlockSize, Revision};

use crate::flags::{self, Effort, OnConflict, Overrides, Selection, Symlinks};
use crate::values;

/// The options make no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// A usage error.
fn usage<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(Usage(message.into()).into())
}

/// When it is: the clock, or the environment's word for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) now: Moment,
    pub(crate) zone_minutes: i16,
    /// `SOURCE_DATE_EPOCH` said so: nothing of this run may show.
    pub(crate) is_reproducible: bool,
}

/// A new volume, as the flags want it.
#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) output: Output,
    pub(crate) sources: Vec<Source>,
    pub(crate) scan: scan::Options,
    pub(crate) stream: StreamOptions,
    pub(crate) times: Times,
    pub(crate) medium: &'static Medium,
    pub(crate) layout: VolumeLayout,
    pub(crate) revision: Revision,
    /// `None` for the device's, or the medium's.
    pub(crate) block_size: Option<BlockSize>,
    pub(crate) identifiers: Identifiers,
}

/// Where a volume goes.
#[derive(Debug)]
pub(crate) enum Output {
    Stdout,
    Path(PathBuf),
}

/// A further session, as the flags want it.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) sources: Vec<Source>,
    pub(crate) scan: scan::Options,
    pub(crate) stream: StreamOptions,
    pub(crate) times: Times,
}

impl Create {
    /// What the flags mean; `found` is the disc in the drive that is written to, if it is one.
    pub(crate) fn new(flags: &flags::Create, found: Option<&'static Medium>) -> anyhow::Result<Self> {
        let times = Times::now()?;
        let medium = match (flags.format.medium.as_deref(), found) {
            (None, Some(found)) => found,
            (named, found) => {
                let named = medium(named.unwrap_or("image"))?;
                if let Some(found) = found.filter(|found| *found != named) {
                    return usage(format!("-m {}: in the drive is a {}", named.name, found.description));
                }
                named
            }
        };
        let is_sparable = flags.format.layout == flags::LayoutChoice::Sparable;
        let medium = if is_sparable { in_packets(medium)? } else { medium };
        let may_be_empty = flags.rewritable || medium.is_in_place();
        if flags.sources.is_empty() && flags.selection.files_from.is_none() && !may_be_empty {
            return usage("nothing to do: name a SOURCE");
        }
        let block_size = flags.format.block_size;
        if block_size.is_some_and(|size| size > BlockSize::B4096) {
            return usage("volumes are made with blocks of 512 to 4096 bytes");
        }
        let output =
            if flags.output == Path::new("-") { Output::Stdout } else { Output::Path(flags.output.clone()) };
        let mut scan = scan_options(&flags.overrides, &times);
        select(&flags.selection, &mut scan)?;
        if flags.further.next.is_some() {
            // As append has it: what is new takes the place of what is there.
            scan.on_conflict = Conflict::Replace;
        }
        // Linux writes to nothing with a metadata partition, and what is made to be changed is made for Linux, too.
        let usual = match medium.revision {
            usual if flags.rewritable && usual.rules().metadata_partition => Revision::V2_01,
            usual => usual,
        };
        let revision = flags.format.udf_revision.unwrap_or(usual);
        if flags.further.next.is_none() {
            unless_no_streams(&scan, revision)?;
        }
        Ok(Self {
            output,
            sources: sources(&flags.sources, &flags.selection)?,
            scan,
            stream: stream_options(&flags.effort, flags.overrides.mtime.is_some(), &times),
            times,
            medium,
            layout: layout(flags.format.layout, medium)?,
            revision,
            block_size,
            identifiers: identifiers(flags, &times)?,
        })
    }
}

impl Append {
    /// What the flags mean.
    pub(crate) fn new(flags: &flags::Append) -> anyhow::Result<Self> {
        let nothing = flags.sources.is_empty() && flags.selection.files_from.is_none();
        if nothing && flags.remove.is_empty() && flags.format.label.is_none() {
            return usage("nothing to do: name a SOURCE, a path to --remove, or a new --label");
        }
        if nothing && flags.mirror {
            return usage("--mirror needs a SOURCE to be a mirror of");
        }
        if let Some(name) = &flags.format.medium {
            medium(name)?;
        }
        fits::<128>("label", flags.format.label.as_deref())?;
        let times = Times::now()?;
        let mut scan = scan_options(&flags.overrides, &times);
        select(&flags.selection, &mut scan)?;
        scan.on_conflict = match flags.on_conflict {
            OnConflict::Replace => Conflict::Replace,
            OnConflict::Keep => Conflict::Keep,
            OnConflict::Error => Conflict::Error,
        };
        scan.mirror = flags.mirror;
        scan.update = flags.update || flags.mirror;
        Ok(Self {
            sources: sources(&flags.sources, &flags.selection)?,
            scan,
            stream: stream_options(&flags.effort, flags.overrides.mtime.is_some(), &times),
            times,
        })
    }
}

impl Times {
    /// Now and here; or, for reproducible results, what the environment says, in UTC.
    pub(crate) fn now() -> anyhow::Result<Self> {
        if let Some(epoch) = std::env::var_os("SOURCE_DATE_EPOCH") {
            let seconds = epoch.to_str().and_then(|text| text.parse::<i64>().ok());
            let now = seconds.and_then(|seconds| values::epoch(&seconds.to_string()));
            return match now {
                Some(now) => Ok(Self { now, zone_minutes: 0, is_reproducible: true }),
                None => usage("SOURCE_DATE_EPOCH is not a number of seconds since 1970"),
            };
        }
        let now = jiff::Timestamp::now();
        let zone = jiff::tz::TimeZone::system().to_offset(now);
        Ok(Self {
            now: Moment { microseconds: now.as_microsecond() },
            zone_minutes: i16::try_from(zone.seconds() / 60).unwrap_or(0),
            is_reproducible: false,
        })
    }
}

/// The medium of a name, if volumes can be made for it.
pub(crate) fn medium(name: &str) -> anyhow::Result<&'static Medium> {
    let Some(medium) = Medium::find(name) else {
        let written = media::ALL.iter().filter(|medium| medium.writing != Writing::Never);
        let names: Vec<_> = written.map(|medium| medium.name).collect();
        return usage(format!("no such medium: {name}; known are {}", names.join(", ")));
    };
    if medium.writing == Writing::Never {
        return usage(format!("{} is pressed, not written: make an image (-m image)", medium.description));
    }
    Ok(medium)
}

/// The same disc, written in packets.
fn in_packets(medium: &'static Medium) -> anyhow::Result<&'static Medium> {
    let short = medium.name.trim_end_matches("-seq");
    match Medium::in_packets().find(|packets| packets.name.trim_end_matches("-packet") == short) {
        Some(found) => Ok(found),
        None if medium.writing == Writing::Packet => Ok(medium),
        None => usage(format!(
            "--layout sparable: {} is not written in packets; cd-rw and dvd-rw are",
            medium.description
        )),
    }
}

/// The layout asked for, if the medium can have it: where nothing is written twice, both; elsewhere its own.
pub(crate) fn layout(choice: flags::LayoutChoice, medium: &Medium) -> anyhow::Result<VolumeLayout> {
    let layout = choice.layout().unwrap_or(medium.layout);
    if layout != medium.layout && !medium.is_sequential() {
        return usage(format!(
            "volumes for {} grow with the layout {}, not {layout} (see docs/media.md)",
            medium.description, medium.layout
        ));
    }
    Ok(layout)
}

/// Sources of the command line and of the list.
fn sources(named: &[OsString], selection: &Selection) -> anyhow::Result<Vec<Source>> {
    let mut sources: Vec<Source> = named.iter().map(|text| source(text)).collect();
    if let Some(list) = &selection.files_from {
        let base = Path::new("");
        sources.extend(if list == Path::new("-") {
            scan::files_from(io::stdin().lock(), selection.null, base)?
        } else {
            let file =
                std::fs::File::open(list).with_context(|| format!("{}: cannot open", list.display()))?;
            scan::files_from(BufReader::new(file), selection.null, base)?
        });
    }
    Ok(sources)
}

/// `SRC` or `DST=SRC`, divided at the first `=` that no `\` precedes. A file that is there under the whole text is meant
/// itself, unless there is a file for the graft, too.
fn source(text: &OsStr) -> Source {
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    let literal = Path::new(text);
    let Some((target, path)) = graft(text) else {
        let plain = if exists(literal) { literal.to_owned() } else { unescaped(text.as_bytes()) };
        return Source::new(plain);
    };
    if !exists(Path::new(path)) && exists(literal) {
        return Source::new(literal);
    }
    let target = if target.as_os_str().is_empty() { PathBuf::from("/") } else { target };
    Source::grafted(path, target)
}

fn graft(text: &OsStr) -> Option<(PathBuf, &OsStr)> {
    let bytes = text.as_bytes();
    let mut is_escaped = false;
    let at = bytes.iter().position(|byte| {
        let found = *byte == b'=' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        found
    })?;
    Some((unescaped(&bytes[..at]), OsStr::from_bytes(&bytes[at + 1..])))
}

/// `\=` is `=`, `\\` is `\`; any other `\` is itself.
fn unescaped(bytes: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        let next = rest.next_if(|next| *byte == b'\\' && matches!(**next, b'=' | b'\\'));
        out.push(*next.unwrap_or(byte));
    }
    OsString::from_vec(out).into()
}

/// What of the host is recorded, and how.
pub(crate) fn scan_options(overrides: &Overrides, times: &Times) -> scan::Options {
    let mut options = scan::Options::new(times.now);
    options.uid = overrides.uid.map(|owner| owner.0);
    options.gid = overrides.gid.map(|owner| owner.0);
    options.file_mode = overrides.file_mode.map(|mode| mode.0);
    options.directory_mode = overrides.dir_mode.map(|mode| mode.0);
    options.time = overrides.mtime;
    options.extended_attributes = overrides.xattrs;
    if times.is_reproducible {
        options.clamp_time = Some(times.now);
        // To read a file is enough to change it.
        options.keep_access_time = false;
    }
    options
}

/// Which files that is about.
fn select(selection: &Selection, options: &mut scan::Options) -> anyhow::Result<()> {
    options.exclude = match Filter::new(&selection.exclude, &selection.exclude_from) {
        Err(mkudf_ms::Error::Options(why)) => return usage(why),
        exclude => exclude?,
    };
    options.symlinks = match selection.symlinks {
        Symlinks::Keep => scan::Symlinks::Keep,
        Symlinks::Follow => scan::Symlinks::Follow,
        Symlinks::Skip => scan::Symlinks::Skip,
    };
    options.one_file_system = selection.one_file_system;
    Ok(())
}

/// An error if streams are to be recorded where files have none.
pub(crate) fn unless_no_streams(scan: &scan::Options, revision: Revision) -> mkudf_ms::Result<()> {
    if scan.extended_attributes {
        BuildError::unless_streams(revision)?;
    }
    Ok(())
}

/// How to stream, when the times of files are `imposed` or not.
pub(crate) fn stream_options(effort: &Effort, imposed: bool, times: &Times) -> StreamOptions {
    StreamOptions {
        threads: effort.threads.map_or(0, usize::from),
        are_times_kept: !imposed && !times.is_reproducible,
        is_strict: false,
    }
}

pub(crate) const DEFAULT_LABEL: &str = "UDF";
const APPLICATION: &str = "mkudf-ms";

fn identifiers(flags: &flags::Create, times: &Times) -> anyhow::Result<Identifiers> {
    let given = &flags.identifiers;
    let label = flags.format.label.clone().unwrap_or_else(|| DEFAULT_LABEL.into());
    let usual = usual_identifiers(&label, times);
    let uuid = given.uuid.unwrap_or(usual.uuid);
    let set = given.vsid.as_ref().map(|text| format!("{uuid}{text}"));
    fits::<128>("label", Some(&label))?;
    fits::<32>("--vid", given.vid.as_deref())?;
    fits::<128>("--vsid", set.as_deref())?;
    fits::<32>("--fsid", given.fsid.as_deref())?;
    for (option, text) in
        [("--owner", &given.owner), ("--organization", &given.organization), ("--contact", &given.contact)]
    {
        fits::<36>(option, Some(text))?;
    }
    let application = given.application.clone().unwrap_or(usual.application);
    if application.len() > 22 || !application.chars().all(|c| matches!(c, ' '..='~')) {
        return usage("--application: at most 22 printable ASCII characters fit");
    }
    Ok(Identifiers {
        logical_volume: label,
        volume: given.vid.clone(),
        volume_set: given.vsid.clone(),
        file_set: given.fsid.clone(),
        uuid,
        owner: given.owner.clone(),
        organization: given.organization.clone(),
        contact: given.contact.clone(),
        application,
    })
}

/// Those of a volume of which nothing is said but its label.
pub(crate) fn usual_identifiers(label: &str, times: &Times) -> Identifiers {
    let bits = if times.is_reproducible { hash(label) } else { chance() };
    Identifiers {
        logical_volume: label.into(),
        volume: None,
        volume_set: None,
        file_set: None,
        uuid: Uuid::new(times.now, bits),
        owner: String::new(),
        organization: String::new(),
        contact: String::new(),
        application: APPLICATION.into(),
    }
}

/// Whether a text fits a field of `N` bytes.
fn fits<const N: usize>(option: &str, text: Option<&str>) -> anyhow::Result<()> {
    if text.is_none_or(|text| DString::<N>::new(text).is_some()) {
        return Ok(());
    }
    let (narrow, wide) = (N - 2, (N - 2) / 2);
    usage(format!("{option}: at most {narrow} characters fit, {wide} if any of them is beyond U+00FF"))
}

/// Bits that nobody can foresee: what hash maps are seeded with.
fn chance() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let [_, _, _, _, rest @ ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u32::from_le_bytes(rest)
}

/// FNV-1a: the same bits for the same text on any machine.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grafts_are_divided_at_the_first_equals_sign_that_is_none_of_the_name() {
        let parts =
            |text: &str| graft(OsStr::new(text)).map(|(a, b)| (a.display().to_string(), b.to_owned()));
        assert_eq!(parts("a/b"), None);
        assert_eq!(parts("/x=/a=b"), Some(("/x".into(), "/a=b".into())));
        assert_eq!(parts(r"x\=y=z"), Some(("x=y".into(), "z".into())));
        assert_eq!(parts(r"x\\=z"), Some((r"x\".into(), "z".into())));
        assert_eq!(parts(r"a\=b"), None);
        assert_eq!(source(OsStr::new(r"a\=b")), Source::new("a=b"));
        assert_eq!(source(OsStr::new("=b")), Source::grafted("b", "/"));
    }

    #[test]
    fn a_file_with_an_equals_sign_in_its_name_is_meant_itself() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a=b");
        std::fs::write(&odd, "").unwrap();
        assert_eq!(source(odd.as_os_str()), Source::new(&odd));
        let graft = format!("docs={}", odd.display());
        assert_eq!(source(OsStr::new(&graft)), Source::grafted(&odd, "docs"));
    }

    #[test]
    fn media_that_cannot_be_written_are_refused_by_name() {
        assert_eq!(medium("BDRE").unwrap().name, "bd-re");
        for (name, word) in [("dvd", "pressed"), ("tape", "no such medium")] {
            let error = medium(name).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn texts_fit_or_are_refused() {
        assert!(fits::<32>("x", Some(&"a".repeat(30))).is_ok());
        assert!(fits::<32>("x", Some(&"a".repeat(31))).is_err());
        assert!(fits::<32>("x", Some(&"日".repeat(16))).is_err());
        assert_eq!(hash("UDF"), hash("UDF"));
    }
}
