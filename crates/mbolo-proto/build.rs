//! Compiles `proto/*.proto` with a protobuf compiler written in Rust, so that nobody needs `protoc`.

use std::path::Path;

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["proto/mbolo.proto", "proto/content.proto"], ["proto"])?;
    // The tests hold vectors and decoders against the schema itself.
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("descriptors.bin"), descriptors.encode_to_vec())?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
