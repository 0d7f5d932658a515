//! Builds UDF volumes and grows them: multisession import and append.
//!
//! ```text
//!   host folders          a volume with earlier sessions
//!        |                          |
//!      scan                   session::Import         two doors in: both only make a Tree
//!        |                          |
//!        +----------> Tree <--------+                 what is to be on the volume, and nothing of where
//!                       |
//!                     plan                            pure: every block, id and length, before any I/O
//!                       |
//!                    render                           pure: from a plan to bytes
//!                       |
//!                    stream                           threads fetch, render, write; flush between steps
//!                       |
//!                    device                           one door out: image file, block device, pipe, memory
//! ```
//!
//! Reading is the business of [`udf`]: its `read::Volume` opens what is made here, and what others make.
//!
//! A volume from a tree in memory, a second session on top of it, and both read back:
//!
//! ```
//! use mkudf_ms::device::MemoryDevice;
//! use mkudf_ms::plan::{AppendSpec, Identifiers, Plan, Spec, Uuid};
//! use mkudf_ms::progress::Progress;
//! use mkudf_ms::scan::Outcome;
//! use mkudf_ms::session::{Import, ImportOptions, sessions};
//! use mkudf_ms::stream::{StreamOptions, stream};
//! use mkudf_ms::tree::{Attributes, Kind, Name, Tree};
//! use udf::general::Moment;
//! use udf::read::{OpenOptions, Volume};
//!
//! let now = Moment::from_unix(1_800_000_000, 0);
//! let mut add = |tree: &mut Tree, name: &str, body: &[u8]| {
//!     let content = tree.add_body(body.into());
//!     let inode = tree.add_inode(Kind::File, Attributes { mode: 0o644, ..Attributes::default() }, content);
//!     tree.link(tree.root(), &Name::new(name).unwrap(), inode).unwrap();
//! };
//!
//! let mut tree = Tree::new(Attributes { mode: 0o755, ..Attributes::default() });
//! add(&mut tree, "first", b"of the first session");
//! let spec = Spec {
//!     revision: udf::Revision::V2_50,
//!     block_size: udf::BlockSize::B2048,
//!     identifiers: Identifiers {
//!         logical_volume: "EXAMPLE".into(),
//!         volume: None,
//!         volume_set: None,
//!         file_set: None,
//!         uuid: Uuid::new(now, 1),
//!         owner: String::new(),
//!         organization: String::new(),
//!         contact: String::new(),
//!         application: String::new(),
//!     },
//!     now,
//!     zone_minutes: 0,
//!     redundant_metadata: true,
//!     embed: true,
//!     device_blocks: None,
//!     rewritable_blocks: None,
//!     packet_blocks: None,
//!     pseudo_overwrite: false,
//! };
//! let plan = Plan::create(&tree, &spec)?;
//! let device = MemoryDevice::new();
//! stream(&plan, &tree, &device, None, &Progress::new(), &StreamOptions::default())?;
//!
//! let mut import = Import::open(&device, &ImportOptions::default())?;
//! let mut tree = import.tree()?;
//! add(&mut tree, "second", b"of the second");
//! let outcome = Outcome { changed_directories: [tree.root()].into(), ..Outcome::default() };
//! let (base, _warnings) = import.finish(&mut tree, &outcome)?;
//! let plan = Plan::append(&tree, &AppendSpec { now, zone_minutes: 0, label: None, embed: true }, base)?;
//! stream(&plan, &tree, &device, Some(&device), &Progress::new(), &StreamOptions::default())?;
//!
//! assert_eq!(sessions(&device, &OpenOptions::default())?.len(), 2);
//! let volume = Volume::open(&device, &OpenOptions::default())?;
//! let entry = volume.lookup("first")?;
//! assert_eq!(volume.read_all(&entry, 100)?, b"of the first session");
//! # Ok::<(), mkudf_ms::Error>(())
//! ```
#![deny(unsafe_code)]

pub mod builder;
pub mod checksums;
pub mod device;
pub mod error;
pub mod extract;
pub mod media;
pub mod plan;
pub mod progress;
pub mod render;
pub mod repair;
pub mod rescue;
pub mod scan;
pub mod session;
pub mod stream;
pub mod tree;

pub use error::{Error, Result, Warning};
