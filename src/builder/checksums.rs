//! Checksums of all files, as a file of the volume.

use super::FileSystemImage;
use crate::checksums::{self, Algorithm};
use crate::error::Result;
use crate::stream::StreamOptions;

impl FileSystemImage<'_> {
    /// The kind of checksums that the imported session has, if it has any.
    pub fn recorded_checksums(&self) -> Result<Option<Algorithm>> {
        let Some(disc) = &self.disc else { return Ok(None) };
        Ok(checksums::recorded(disc.import.volume())?.map(|list| list.algorithm))
    }

    /// Has the volume hold the [`checksums`] of its files as they are now; what is changed later makes them wrong. New files are
    /// read for that, and so are imported ones of which there is no checksum of this kind.
    pub fn record_checksums(&mut self, algorithm: Algorithm) -> Result<()> {
        let attributes = self.defaults.file_attributes();
        self.change(|image| {
            let volume = image.disc.as_ref().map(|disc| disc.import.volume());
            let options = StreamOptions::default();
            let recorded =
                checksums::record(&mut image.tree, volume, algorithm, attributes, &options, &image.progress)?;
            image.touch(recorded.directory);
            image.warnings.extend(recorded.warnings);
            Ok(())
        })
    }
}
