//! `mbolo-web-bundle UI.wasm ENGINE.wasm STATIC_DIR OUT_DIR`: what `cargo xtask web` runs after the compiler.
//!
//! Makes the JavaScript glue, orders what is in a file for the compressor, names every file that may be cached for ever by its hash, writes those names
//! into the page and the service worker, compresses, and holds the first load against its limit. A crate of
//! its own because the glue generator is large and `cargo xtask` shall start at once.

mod bundle;
mod compress;
mod order;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use wasm_bindgen_cli_support::Bindgen;

use bundle::{Bundle, File};

/// What a first visit may cost, compressed with brotli: about a minute on a slow 2G link.
const MAX_FIRST_LOAD_BYTES: usize = 1_100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [ui, engine, static_dir, out] = arguments.as_slice() else {
        eprintln!("usage: mbolo-web-bundle UI.wasm ENGINE.wasm STATIC_DIR OUT_DIR");
        return ExitCode::from(2);
    };
    match build([ui, engine, static_dir, out].map(Path::new)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the web client could not be bundled: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build([ui, engine, static_dir, out]: [&Path; 4]) -> Result<()> {
    let mut files = bundle::read_static(static_dir)?;
    files.extend(glue("ui", ui)?);
    files.extend(glue("engine", engine)?);
    let bundle = Bundle::assemble(files)?;
    let written = compress::write(&bundle, out)?;

    let mut first_load = 0;
    for file in &written {
        let part = bundle.is_first_load(&file.path);
        first_load += if part { file.brotli_bytes } else { 0 };
        let mark = if part { "first load" } else { "" };
        println!("{:>9} {:>9}  {:<44} {mark}", file.plain_bytes, file.brotli_bytes, file.path);
    }
    println!("first load: {first_load} bytes with brotli, of {MAX_FIRST_LOAD_BYTES} at most");
    ensure!(first_load <= MAX_FIRST_LOAD_BYTES, "the first load is larger than it may be");
    Ok(())
}

/// The compiled file with its imports and exports bound to JavaScript, and that JavaScript.
fn glue(name: &str, wasm: &Path) -> Result<Vec<File>> {
    let mut generator = Bindgen::new();
    let mut output = generator
        .input_path(wasm)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .omit_default_module_path(true)
        .out_name(name)
        .generate_output()
        .with_context(|| format!("glue for {}", wasm.display()))?;
    let no_files = output.snippets().values().all(Vec::is_empty) && output.local_modules().is_empty();
    ensure!(no_files, "{name} brings JavaScript files of its own, which nothing serves");
    let script = output.js().as_bytes().to_vec();
    let wasm = order::similar_together(&output.wasm_mut().emit_wasm())?;
    Ok(vec![File::new(format!("{name}.js"), script), File::new(format!("{name}_bg.wasm"), wasm)])
}
