//! Makes the built-in copy: `cargo run --release -p mbolo-pulse-nab --example pack -- NAB_DIRECTORY OUT_FILE`.
//!
//! Takes what the scorer reads, from a directory in the benchmark's layout, and nothing else.

use std::{collections::BTreeMap, env, fs, io::Write, path::Path};

use anyhow::{Context, Result};
use mbolo_pulse_nab::{REFERENCES, Source};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().context("say the benchmark's directory")?;
    let out = arguments.next().context("say the file to write")?;
    let source = Source::Directory(directory.into());
    let read = |path: &str| source.read(path)?.with_context(|| format!("{path} is missing"));

    let mut files = BTreeMap::new();
    for path in [
        "LICENSE.txt",
        "config/profiles.json",
        "config/thresholds.json",
        "labels/combined_windows.json",
        "results/final_results.json",
    ] {
        files.insert(path.to_owned(), read(path)?);
    }
    let labels: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(&files["labels/combined_windows.json"])?;
    for name in labels.keys() {
        let path = format!("data/{name}");
        files.insert(path.clone(), read(&path)?.replace("\r\n", "\n"));
        let (folder, file) = name.split_once('/').context("a label is not folder/file")?;
        for detector in REFERENCES {
            let path = format!("results/{detector}/{folder}/{detector}_{file}");
            files.insert(path.clone(), score_column(&read(&path)?).with_context(|| path)?);
        }
    }
    write(Path::new(&out), &serde_json::to_vec(&files)?)
}

fn score_column(text: &str) -> Result<String> {
    let header = text.lines().next().unwrap_or_default();
    let place = header.split(',').position(|name| name == "anomaly_score").context("it has no scores")?;
    let cells: Option<Vec<&str>> = text.lines().map(|line| line.split(',').nth(place)).collect();
    Ok(cells.context("a line is too short")?.join("\n") + "\n")
}

fn write(out: &Path, content: &[u8]) -> Result<()> {
    let params = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 24, ..Default::default() };
    let mut packed = brotli::CompressorWriter::with_params(fs::File::create(out)?, 1 << 16, &params);
    packed.write_all(content)?;
    packed.flush()?;
    Ok(())
}
