//! Lists the web client's files for embedding: what `cargo xtask web` left in `target/web-dist`, or nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    // Seen from this crate, where cargo runs this: in a clone that was moved or copied with what was built in it, an
    // absolute path would still lead to the old place.
    let dist = Path::new("../..").join(target).join("web-dist");
    // Made if missing: cargo cannot watch what is not there, and would run this every time.
    fs::create_dir_all(&dist)?;
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");

    let mut paths = BTreeSet::new();
    collect(&dist, "", &mut paths)?;
    let mut table = String::from("&[\n");
    for path in paths.iter().filter(|path| !path.ends_with(".br") && !path.ends_with(".gz")) {
        let file = |path: &str| {
            let file = dist.join(path);
            let root = if file.is_absolute() { "" } else { "env!(\"CARGO_MANIFEST_DIR\"), \"/\", " };
            format!("include_bytes!(concat!({root}{file:?}))")
        };
        let compressed = |ending: &str| {
            let path = format!("{path}{ending}");
            if paths.contains(&path) { format!("Some({})", file(&path)) } else { "None".to_owned() }
        };
        let (brotli, gzip, plain) = (compressed(".br"), compressed(".gz"), file(path));
        writeln!(
            table,
            "mbolo_server::Asset {{ path: {path:?}, plain: {plain}, brotli: {brotli}, gzip: {gzip} }},"
        )
        .map_err(io::Error::other)?;
    }
    table += "]\n";
    let out =
        env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(out.join("web_client.rs"), table)
}

/// Paths below `dir` with forward slashes, relative to where it began.
fn collect(dir: &Path, prefix: &str, paths: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), paths)?;
        } else {
            paths.insert(path);
        }
    }
    Ok(())
}
