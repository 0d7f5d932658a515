//! Checksums of all files, as a file of the volume.

use super::FileSystemImage;
use crate::checksums::{self, Algorithm};
use crate::error::Result;
use crate::stream::StreamOptions;

impl FileSystemImage<'_> {
    /// Has the volume hold the [`checksums`] of its files as they are now; what is changed later makes them wrong. They are of the kind
    /// that is wanted; or, if none is, of the kind that the imported session has, if it has any. New files are read for that, and
    /// so are imported ones of which there is no checksum of this kind.
    pub fn record_checksums(&mut self, wanted: Option<Algorithm>) -> Result<()> {
        let attributes = self.defaults.file_attributes();
        self.change(|image| {
            let volume = image.disc.as_ref().map(|disc| disc.import.volume());
            let options = StreamOptions::default();
            let recorded =
                checksums::record(&mut image.tree, volume, wanted, attributes, &options, &image.progress)?;
            if let Some(recorded) = recorded {
                image.touch(recorded.directory);
                image.warnings.extend(recorded.warnings);
            }
            Ok(())
        })
    }
}
