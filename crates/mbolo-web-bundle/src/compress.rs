//! Writes the files, each beside its compressed forms `NAME.br` and `NAME.gz`, so that a cell never
//! compresses anything while it serves.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bundle::Bundle;

/// What is text or code; pictures are compressed already.
const COMPRESSED_EXTENSIONS: [&str; 6] = ["html", "js", "css", "wasm", "svg", "webmanifest"];

/// Brotli's strongest setting, with the window that every browser takes.
const BROTLI_QUALITY: i32 = 11;
const BROTLI_WINDOW_BITS: i32 = 22;

/// One written file.
pub struct Written {
    pub path: String,
    pub plain_bytes: usize,
    /// What travels to a browser that takes brotli.
    pub brotli_bytes: usize,
}

/// Replaces the contents of `out` by the bundle; files that are not its any more go away.
pub fn write(bundle: &Bundle, out: &Path) -> Result<Vec<Written>> {
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| format!("clearing {}", out.display()))?;
    }
    std::fs::create_dir_all(out.join("assets")).with_context(|| format!("creating {}", out.display()))?;
    let mut written = Vec::new();
    for (path, bytes) in bundle.files() {
        save(out, path, bytes)?;
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let mut brotli_bytes = bytes.len();
        if COMPRESSED_EXTENSIONS.contains(&extension) {
            let compressed = brotli(bytes)?;
            brotli_bytes = compressed.len();
            save(out, &format!("{path}.br"), &compressed)?;
            save(out, &format!("{path}.gz"), &gzip(bytes)?)?;
        }
        written.push(Written { path: path.to_owned(), plain_bytes: bytes.len(), brotli_bytes });
    }
    Ok(written)
}

fn save(out: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    std::fs::write(out.join(path), bytes).with_context(|| format!("writing {path}"))
}

fn brotli(bytes: &[u8]) -> Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: bytes.len(),
        ..Default::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &*bytes, &mut compressed, &parameters)?;
    Ok(compressed)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn both_compressed_forms_give_the_file_back() {
        let text = b"Mbolo, Mbolo, Mbolo".repeat(50);
        let mut from_brotli = Vec::new();
        brotli::BrotliDecompress(&mut brotli(&text).expect("it compresses").as_slice(), &mut from_brotli)
            .expect("it is brotli");
        let mut from_gzip = Vec::new();
        flate2::read::GzDecoder::new(gzip(&text).expect("it compresses").as_slice())
            .read_to_end(&mut from_gzip)
            .expect("it is gzip");
        assert_eq!((from_brotli, from_gzip), (text.clone(), text));
    }
}
