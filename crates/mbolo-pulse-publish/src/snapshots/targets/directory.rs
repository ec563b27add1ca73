//! A directory, which a web server of whatever kind may serve: `latest.json`, the pages and the newest numbered snapshots. Every
//! file appears under its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Target, TargetError};
use crate::snapshots::Signed;

pub(super) struct Directory {
    name: String,
    path: PathBuf,
    keep: usize,
}

impl Directory {
    pub(super) fn new(name: &str, path: &Path, keep: usize) -> Self {
        Self { name: name.to_owned(), path: path.to_owned(), keep: keep.clamp(1, 10_000) }
    }

    fn replace(&self, file_name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path.join(format!(".{file_name}.unfinished"));
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path.join(file_name))
    }

    fn prune(&self) -> io::Result<()> {
        let mut numbered: Vec<_> = fs::read_dir(&self.path)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(NUMBERED) && name.ends_with(".json"))
            .collect();
        // The number has a fixed width.
        numbered.sort_unstable();
        let surplus = numbered.len().saturating_sub(self.keep);
        for name in &numbered[..surplus] {
            fs::remove_file(self.path.join(name))?;
        }
        Ok(())
    }
}

impl Target for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&mut self, snapshot: &Signed, _: i64) -> Result<(), TargetError> {
        let failed =
            |source| TargetError::Io { doing: format!("writing to {}", self.path.display()), source };
        fs::create_dir_all(&self.path).map_err(failed)?;
        let numbered = format!("{NUMBERED}{:020}.json", snapshot.seq);
        self.replace(&numbered, &snapshot.bytes).map_err(failed)?;
        snapshot.files().try_for_each(|(name, bytes)| self.replace(name, bytes)).map_err(failed)?;
        self.prune().map_err(failed)
    }
}

const NUMBERED: &str = "snapshot-";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_newest_is_whole_and_the_numbered_ones_are_bounded() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("made/on/first/use");
        let mut target = Directory::new("here", &path, 3);
        for seq in 8..=12 {
            let bytes = format!("snapshot {seq}").into_bytes().into();
            let pages = Arc::new([("index.html", format!("page {seq}"))]);
            target.put(&Signed { seq, valid_until: 0, bytes, pages }, 0).expect("written");
        }
        assert_eq!(fs::read(path.join("latest.json")).expect("read"), b"snapshot 12");
        assert_eq!(fs::read(path.join("index.html")).expect("read"), b"page 12");
        let mut names: Vec<_> = fs::read_dir(&path)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        assert_eq!(names.len(), 5);
        assert_eq!(names[2], "snapshot-00000000000000000010.json");
    }
}
