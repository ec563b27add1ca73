//! The web client's files, as the program carries them.
//!
//! The table is made at build time by the binary; the server only picks a file and the best encoding of it.

/// Every file of the web client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assets {
    /// Sorted by path.
    pub files: &'static [Asset],
}

/// One file with its compressed forms.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its path without the leading slash, such as `index.html`.
    pub path: &'static str,
    /// The file as it is.
    pub plain: &'static [u8],
    /// Compressed with brotli, if the build did that.
    pub brotli: Option<&'static [u8]>,
    /// Compressed with gzip, if the build did that.
    pub gzip: Option<&'static [u8]>,
}
