//! The web client inside this program: what `cargo xtask web` had made when it was compiled.

use mbolo_server::Assets;

/// Its files; none if it was not built.
pub fn web_client() -> Assets {
    Assets { files: include!(concat!(env!("OUT_DIR"), "/web_client.rs")) }
}
