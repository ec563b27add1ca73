//! Where the benchmark's files come from: a directory in its layout, or the copy that is built in.
//!
//! The built-in copy is a JSON object from path to content, compressed; `examples/pack.rs` makes it. It leaves out what
//! the scorer does not read: of the reference detectors' result files only the score column is kept.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

/// Reads the benchmark's files by their path in its layout.
#[derive(Debug)]
pub enum Source {
    /// The copy that is built in.
    BuiltIn(BTreeMap<String, String>),
    /// A directory; a file may also be there with `.gz` at its end.
    Directory(PathBuf),
}

impl Source {
    /// Unpacks the built-in copy.
    pub fn built_in() -> io::Result<Self> {
        let files = brotli::Decompressor::new(BUILT_IN, 1 << 16);
        Ok(Self::BuiltIn(serde_json::from_reader(io::BufReader::with_capacity(1 << 16, files))?))
    }

    /// The file's text; `None` when there is no such file.
    pub fn read(&self, path: &str) -> io::Result<Option<String>> {
        match self {
            Self::BuiltIn(files) => Ok(files.get(path).cloned()),
            Self::Directory(directory) => {
                if let Some(text) = read_if_there(&directory.join(path), |file| file)? {
                    return Ok(Some(text));
                }
                read_if_there(&directory.join(format!("{path}.gz")), MultiGzDecoder::new)
            }
        }
    }
}

fn read_if_there<R: Read>(path: &Path, decode: impl FnOnce(File) -> R) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    decode(file).take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {MOST_BYTES} bytes")));
    }
    Ok(Some(text))
}

/// The benchmark's largest file has one megabyte.
const MOST_BYTES: u64 = 64 << 20;
static BUILT_IN: &[u8] = include_bytes!("../data/nab.json.br");
