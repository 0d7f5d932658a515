//! The options of `check`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use udf::check::{Rule, UnknownRule};

use super::{Place, Reading};

const CHECK_HELP: &str = "\
A line a finding: how grave it is, the rule, the file or structure, where it lies and
the clause of the standard. Notes are shown with --verbose. With --json an object a
finding, and at the end one with the key `summary`.

Exit status: 0 no errors (warnings and notes are none); 4 errors were found; 8 the
volume could not be checked; 16 wrong usage.";

/// Look for errors in a volume, rule by rule; nothing is changed
#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct Check {
    /// Which session: 1 is the oldest, -1 the newest [default: the newest]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    session: Option<i32>,
    #[command(flatten)]
    place: Place,
    /// The medium that the volume is on, or is for (see mkudf-ms media): from 2.50 on partitions begin with an ECC block
    #[arg(short, long, value_name = "NAME")]
    pub(crate) medium: Option<String>,
    /// An image file or a block device
    #[arg(value_name = "IMAGE", required_unless_present = "explain")]
    image: Option<PathBuf>,
    /// Tell what a rule demands, what it means and what to do: R042, 42, or all
    #[arg(long, value_name = "RULE", conflicts_with = "image")]
    pub(crate) explain: Option<Explained>,
}

impl Check {
    /// What is checked; nothing where a rule is explained.
    pub(crate) fn reading(&self) -> Option<Reading> {
        let image = self.image.clone()?;
        Some(Reading { session: self.session, place: self.place.clone(), image })
    }
}

/// Rules to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explained {
    All,
    One(Rule),
}

impl FromStr for Explained {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        if text.eq_ignore_ascii_case("all") { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}
