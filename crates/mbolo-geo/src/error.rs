//! What can go wrong, and what an operator does about it.

use std::io;

/// A table or a packed file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The packed file cannot be written.
    #[error("{path} cannot be written: {error}")]
    Unwritable {
        /// Which file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A table broke off while it was read.
    #[error("the table cannot be read to its end: {0}")]
    Io(#[from] io::Error),
    /// Not a packed file at all.
    #[error("this is not a packed address table; make one with `mbolo pulse geo build`")]
    NotPacked,
    /// Of a version that this program does not read.
    #[error("the packed address table has version {0}, this program reads version {expected}; build it again", expected = crate::format::VERSION)]
    Version(u32),
    /// Bits fell over, or it was cut off.
    #[error("the packed address table is damaged ({0}); build it again, or copy it again")]
    Damaged(&'static str),
    /// Larger than any table of the world.
    #[error("the table is larger than {0} allows")]
    TooLarge(&'static str),
    /// A file without a place would answer no question, and take the place of one that does.
    #[error("the tables have not a single range of addresses: nothing was written")]
    Empty,
    /// Hardly a line of the table was understood.
    #[error(
        "this does not look like {expected}: {bad} of {lines} lines were not understood, the first is line {line}: {why}"
    )]
    WrongKind {
        /// What it was taken for.
        expected: &'static str,
        /// Lines that were not understood.
        bad: u64,
        /// All lines that say something.
        lines: u64,
        /// The first bad one, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The MMDB file is damaged or of an unknown kind.
    #[error("the MMDB file cannot be used: {0}")]
    Mmdb(#[from] maxminddb::MaxMindDbError),
    /// `KIND:FILE` was expected.
    #[error("“{0}” is not a table; write KIND:FILE with KIND one of iptoasn, rir, pfx2as, csv, mmdb, names")]
    Source(String),
}
