//! A folder of the host that changes at random, from a seed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::random::Random;

/// A folder and the dice that decide what happens in it.
pub(crate) struct Folder {
    pub(crate) root: tempfile::TempDir,
    random: Random,
    count: u32,
}

impl Folder {
    pub(crate) fn new(seed: u64) -> Self {
        Self { root: tempfile::tempdir().unwrap(), random: Random::new(seed), count: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// So many random changes.
    pub(crate) fn change(&mut self, steps: u32) {
        for _ in 0..steps {
            let directories = self.all(Path::is_dir);
            let inside = directories[self.random.below(directories.len())].clone();
            match self.random.below(12) {
                0..=3 => self.write_file(&inside),
                4 | 5 => fs::create_dir(self.new_name(&inside)).unwrap(),
                6 => {
                    let target = ["a", "../b/./c", "/abs/é", "日本"][self.random.below(4)];
                    symlink(target, self.new_name(&inside)).unwrap();
                }
                7 => self.hard_link(&inside),
                8 => self.remove(),
                9 => self.rename(&inside),
                10 => self.set_mode(),
                _ => self.rewrite_file(),
            }
        }
    }

    fn all(&self, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(self.path()).sort_by_file_name();
        let paths = walk.into_iter().map(|entry| entry.unwrap().into_path());
        paths.filter(|path| !path.is_symlink() && wanted(path)).collect()
    }

    fn new_name(&mut self, inside: &Path) -> PathBuf {
        self.count += 1;
        let stem = ["plain", "with space", "naïve", "日本語", "😀", &"long".repeat(20)][self.random.below(6)]
            .to_owned();
        inside.join(format!("{stem}{}", self.count))
    }

    fn body(&mut self) -> Vec<u8> {
        let size = [0, 1, 300, 1800, 1832, 1833, 2048, 5000, 70_000][self.random.below(9)];
        let byte = u8::try_from(self.random.below(256)).unwrap();
        let mut body = vec![byte; size];
        body.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= u8::try_from(at % 251).unwrap());
        body
    }

    fn write_file(&mut self, inside: &Path) {
        let path = self.new_name(inside);
        let body = self.body();
        fs::write(path, body).unwrap();
    }

    fn rewrite_file(&mut self) {
        if let Some(path) = self.any(Path::is_file) {
            let body = self.body();
            fs::write(path, body).unwrap();
        }
    }

    fn hard_link(&mut self, inside: &Path) {
        if let Some(path) = self.any(Path::is_file) {
            fs::hard_link(path, self.new_name(inside)).unwrap();
        }
    }

    fn remove(&mut self) {
        let root = self.path().to_path_buf();
        if let Some(path) = self.any(|path| path != root) {
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }

    fn rename(&mut self, inside: &Path) {
        let root = self.path().to_path_buf();
        if let Some(path) = self.any(|path| path != root && !inside.starts_with(path)) {
            fs::rename(path, self.new_name(inside)).unwrap();
        }
    }

    fn set_mode(&mut self) {
        if let Some(path) = self.any(|_| true) {
            let mode = [0o755, 0o700, 0o4755, 0o1777, 0o640][self.random.below(5)];
            fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o600)).unwrap();
        }
    }

    fn any(&mut self, wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let all = self.all(wanted);
        (!all.is_empty()).then(|| all[self.random.below(all.len())].clone())
    }
}
