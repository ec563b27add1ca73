//! Reads fjall's journals before fjall does, and changes nothing.
//!
//! fjall opens a journal by replaying it up to the first byte it cannot read and cutting off the rest. That is
//! right for a write that a power cut tore, and wrong for a bit that flipped among acknowledged batches; and
//! a torn batch whose end happens to be on disk stops fjall altogether. This reader tells the cases apart by
//! the number that every batch carries. It knows fjall's disk format 3: a batch is a start (item count, age),
//! items, and an end with the checksum of the items' bytes.

use std::fs::File;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::{Marker, commit_chain_key, commit_number};
use crate::EngineError;

/// What the journals hold.
#[derive(Debug, Default)]
pub struct Scan {
    /// The last commit that is whole, 0 if there is none.
    last_commit: u64,
    /// The newest journal, and where its last whole batch ends, if anything but zeros comes after.
    torn: Option<(PathBuf, u64)>,
    /// Damage that does not depend on what was acknowledged.
    damage: Option<String>,
}

/// Reads all journals in `dir`, oldest first; `marker` is the store's.
pub fn scan(dir: &Path, marker: &Marker) -> Result<Scan, EngineError> {
    let mut scan = Scan::default();
    let journals = journals(dir)?;
    for (index, path) in journals.iter().enumerate() {
        let bytes = std::fs::read(path)?;
        let newest = index + 1 == journals.len();
        scan.read(path, &bytes, newest, marker);
        if scan.damage.is_some() {
            break;
        }
    }
    Ok(scan)
}

impl Scan {
    /// The number of the last whole commit in the journals; 0 if they are empty.
    pub fn last_commit(&self) -> u64 {
        self.last_commit
    }

    /// Whether the journals hold what was acknowledged: `reached` commits.
    pub fn check_against(&self, reached: u64) -> Result<(), EngineError> {
        if let Some(what) = &self.damage {
            return Err(EngineError::Damaged { what: what.clone() });
        }
        // Without any commit in the journals all of them must be in tables, which the engine checks next.
        if self.last_commit < reached
            && let Some((path, position)) = &self.torn
        {
            let next = self.last_commit + 1;
            let what = format!(
                "{} does not read from byte {position} on, where commit {next} of {reached} was",
                path.display()
            );
            return Err(EngineError::Damaged { what });
        }
        if self.last_commit > 0 && self.last_commit < reached {
            let what = format!("the journal ends with commit {} of {reached}", self.last_commit);
            return Err(EngineError::Damaged { what });
        }
        Ok(())
    }

    /// Cuts off a write that was torn before it was acknowledged. Only after [`Scan::check_against`].
    pub fn drop_torn_tail(&self) -> Result<(), EngineError> {
        if let Some((path, position)) = &self.torn {
            let file = File::options().write(true).open(path)?;
            file.set_len(*position)?;
            file.sync_all()?;
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, bytes: &[u8], newest: bool, marker: &Marker) {
        let mut position = 0;
        while let Some(batch) = Batch::read(&bytes[position..], marker) {
            if let Some(commit) = batch.commit {
                if self.last_commit > 0 && commit != self.last_commit + 1 {
                    let what =
                        format!("{} goes from commit {} to {commit}", path.display(), self.last_commit);
                    self.damage = Some(what);
                    return;
                }
                self.last_commit = commit;
            }
            position += batch.len;
        }
        let rest = &bytes[position..];
        // A journal is allocated ahead, so zeros are what was never written.
        if rest.iter().all(|byte| *byte == 0) {
            return;
        }
        // One batch at a time is on its way to the disk: a later number proves that the unreadable one was
        // acknowledged. A journal that is not the newest was synced before the next was made.
        let later = commits_named_in(rest, marker).any(|commit| commit > self.last_commit + 1);
        if later || !newest {
            let what = format!(
                "{} does not read from byte {position} on, after commit {}",
                path.display(),
                self.last_commit
            );
            self.damage = Some(what);
        } else {
            self.torn = Some((path.to_owned(), position as u64));
        }
    }
}

/// One whole batch at the beginning of some bytes.
struct Batch {
    len: usize,
    commit: Option<u64>,
}

impl Batch {
    /// `None` if what is there is no whole batch with the right checksum.
    fn read(bytes: &[u8], marker: &Marker) -> Option<Self> {
        let mut input = Input { bytes, position: 0 };
        if input.u8()? != START {
            return None;
        }
        let items = input.u32()?;
        input.take(8)?;
        let (mut sum, mut commit) = (Xxh3::new(), None);
        for _ in 0..items {
            let start = input.position;
            match input.u8()? {
                ITEM => {
                    input.take(2 + 8)?;
                    let key_len = usize::from(u16::from_le_bytes(input.take(2)?.try_into().ok()?));
                    input.take(4)?;
                    let value_len = usize::try_from(input.u32()?).ok()?;
                    let key = input.take(key_len)?;
                    let value = input.take(value_len)?;
                    if key == commit_chain_key() {
                        commit = commit_number(value, marker);
                    }
                }
                CLEAR => drop(input.take(8)?),
                _ => return None,
            }
            sum.update(&bytes[start..input.position]);
        }
        let end = input.u8()? == END;
        let expected = u64::from_le_bytes(input.take(8)?.try_into().ok()?);
        let trailer = input.take(4)? == TRAILER;
        (end && trailer && expected == sum.digest()).then_some(Self { len: input.position, commit })
    }
}

struct Input<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl<'b> Input<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let taken = self.bytes.get(self.position..self.position.checked_add(len)?)?;
        self.position += len;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }
}

/// The numbers of all commits whose mark can be found, in bytes that do not parse.
fn commits_named_in<'b>(bytes: &'b [u8], marker: &'b Marker) -> impl Iterator<Item = u64> + 'b {
    bytes.windows(marker.len() + 8).filter_map(|window| commit_number(window, marker))
}

fn journals(dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let mut journals = Vec::new();
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
        Ok(files) => {
            for file in files {
                let path = file?.path();
                let number = path
                    .file_name()
                    .and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
                journals.extend(number.map(|number| (number, path)));
            }
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: &[u8] = &[b'F', b'J', b'L', 3];
