//! The web client's files and how they are served.
//!
//! The table comes with the program: the binary's build embeds every file with its compressed forms, and the server
//! only picks the best form a browser takes. An operator may serve a directory instead, which is read anew for every
//! request so that it can be edited in place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::gateway::http::{Request, Response};

/// Every file of the web client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Assets {
    /// In any order; `index.html` is what `/` serves.
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

/// Answers requests for files.
#[derive(Debug)]
pub(crate) struct Site {
    files: Files,
    policy: String,
}

#[derive(Debug)]
enum Files {
    /// From the program.
    Embedded(BTreeMap<&'static str, (Asset, String)>),
    /// From a directory.
    Directory(PathBuf),
}

impl Site {
    pub(crate) fn new(assets: Assets, directory: Option<PathBuf>) -> Self {
        let files = match directory {
            Some(directory) => Files::Directory(directory),
            None => Files::Embedded(
                assets.files.iter().map(|file| (file.path, (*file, tag(file.plain)))).collect(),
            ),
        };
        Self { files, policy: policy(&[]) }
    }

    /// The same, whose page may also ask the hosts of these addresses when it looks for what is wrong.
    pub(crate) fn asking(self, addresses: &[&str]) -> Self {
        Self { policy: policy(addresses), ..self }
    }

    /// The file that `request` asks for, or `None` if there is none.
    pub(crate) fn respond(&self, request: &Request) -> Option<Response> {
        let path = match request.path.strip_prefix('/')? {
            "" => "index.html",
            // A link to start a chat with somebody: the client reads the handle from the address bar.
            handle if handle.starts_with('@') && !handle.contains('/') => "index.html",
            path => path,
        };
        let (form, encoding, tag) = match &self.files {
            Files::Embedded(files) => {
                if path == "index.html" && !files.contains_key(path) {
                    return Some(notice());
                }
                let (file, tag) = files.get(path)?;
                let (form, encoding) = match (file.brotli, file.gzip) {
                    (Some(brotli), _) if request.accepts_brotli => (brotli, Some("br")),
                    (_, Some(gzip)) if request.accepts_gzip => (gzip, Some("gzip")),
                    _ => (file.plain, None),
                };
                (Bytes::from_static(form), encoding, Cow::Borrowed(tag.as_str()))
            }
            Files::Directory(directory) => {
                let file = inside(directory, path)?;
                let plain = std::fs::read(&file).ok()?;
                let tag = tag(&plain);
                let sibling = |suffix: &str| std::fs::read(format!("{}{suffix}", file.display())).ok();
                let brotli = if request.accepts_brotli { sibling(".br") } else { None };
                let (form, encoding) = match brotli {
                    Some(brotli) => (brotli, Some("br")),
                    None => match if request.accepts_gzip { sibling(".gz") } else { None } {
                        Some(gzip) => (gzip, Some("gzip")),
                        None => (plain, None),
                    },
                };
                (form.into(), encoding, Cow::Owned(tag))
            }
        };
        // Forms of one file differ in their bytes, so they differ in their tags.
        let etag =
            format!("\"{tag}{}{}\"", if encoding.is_some() { "-" } else { "" }, encoding.unwrap_or(""));
        let fresh = request
            .if_none_match
            .as_ref()
            .is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == etag));
        let mut response = Response {
            status: if fresh { 304 } else { 200 },
            content_type: content_type(path),
            body: if fresh { Bytes::new() } else { form },
            headers: String::new(),
        }
        .with_header("ETag", &etag)
        .with_header("Vary", "Accept-Encoding")
        .with_header(
            "Cache-Control",
            if has_hash(path) { "public, max-age=31536000, immutable" } else { "no-cache" },
        );
        if let Some(encoding) = encoding {
            response = response.with_header("Content-Encoding", encoding);
        }
        if path.ends_with(".html") || path.ends_with(".js") {
            response = response.with_header("Content-Security-Policy", &self.policy);
        }
        Some(response)
    }
}

/// What the web client may do: its own files, WASM, workers, and connections to this cell and to the hosts of
/// `addresses`; nothing inline but styles.
fn policy(addresses: &[&str]) -> String {
    let mut hosts = String::new();
    for address in addresses {
        // Scheme and host: up to the third slash.
        let end = address.match_indices('/').nth(2).map_or(address.len(), |(at, _)| at);
        let host = &address[..end];
        if !hosts.split(' ').any(|known| known == host) {
            hosts.push(' ');
            hosts.push_str(host);
        }
    }
    format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
         style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' blob:; \
         connect-src 'self'{hosts}; object-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// What `/` shows when the program was built without the web client.
fn notice() -> Response {
    let page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mbolo</title>\
                <meta name=\"viewport\" content=\"width=device-width\">\
                <h1>This Mbolo cell is running</h1>\
                <p>This program was built without the web client. Connect with another client, or build it with \
                <code>cargo xtask up</code>.</p></html>";
    Response {
        status: 200,
        content_type: "text/html; charset=utf-8",
        body: Bytes::from_static(page.as_bytes()),
        headers: String::new(),
    }
    .with_header("Cache-Control", "no-store")
}

fn tag(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes)[..16])
}

/// The file of this path if it stays inside of the directory.
fn inside(directory: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| directory.join(path))
}

/// Whether the name holds a hash of the content (8 or more hexadecimal digits between separators), so that it never
/// changes under this name.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['-', '.', '_']).any(|part| {
        part.len() >= 8
            && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && part.bytes().any(|byte| byte.is_ascii_digit())
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "ftl" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http;

    const ASSETS: Assets = Assets {
        files: &[
            Asset { path: "index.html", plain: b"<!doctype html>", brotli: Some(b"BR"), gzip: Some(b"GZ") },
            Asset { path: "app-0a1b2c3d4e5f.js", plain: b"run()", brotli: None, gzip: None },
        ],
    };

    fn get(site: &Site, path: &str, headers: &str) -> Option<Response> {
        let (request, _) =
            http::parse(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap().unwrap();
        site.respond(&request)
    }

    #[test]
    fn the_best_form_that_the_browser_takes_is_served_with_its_own_tag() {
        let site = Site::new(ASSETS, None);
        let brotli = get(&site, "/", "Accept-Encoding: gzip, br\r\n").unwrap();
        let gzip = get(&site, "/", "Accept-Encoding: gzip\r\n").unwrap();
        let plain = get(&site, "/", "").unwrap();
        assert_eq!((&brotli.body[..], &gzip.body[..], plain.body.len()), (&b"BR"[..], &b"GZ"[..], 15));
        assert!(brotli.headers.contains("Content-Encoding: br\r\n"));
        assert!(!plain.headers.contains("Content-Encoding"));
        let tags: std::collections::BTreeSet<&str> = [&brotli, &gzip, &plain]
            .iter()
            .map(|response| response.headers.lines().find(|line| line.starts_with("ETag")).unwrap())
            .collect();
        assert_eq!(tags.len(), 3);
    }

    #[test]
    fn the_page_may_ask_those_it_needs_to_tell_what_is_wrong_and_nobody_else() {
        let own = get(&Site::new(ASSETS, None), "/", "").unwrap();
        assert!(own.headers.contains("connect-src 'self'; "), "{}", own.headers);
        let addresses = ["https://pulse.example", "https://m.example/pulse/s.json", "https://m.example/"];
        let asking = get(&Site::new(ASSETS, None).asking(&addresses), "/", "").unwrap();
        let wanted = "connect-src 'self' https://pulse.example https://m.example; ";
        assert!(asking.headers.contains(wanted), "{}", asking.headers);
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let site = Site::new(ASSETS, None);
        let first = get(&site, "/", "").unwrap();
        let etag = first.headers.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned();
        let again = get(&site, "/", &format!("If-None-Match: \"other\", {etag}\r\n")).unwrap();
        assert_eq!((again.status, again.body.len()), (304, 0));
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        let site = Site::new(ASSETS, None);
        assert!(get(&site, "/app-0a1b2c3d4e5f.js", "").unwrap().headers.contains("immutable"));
        assert!(get(&site, "/", "").unwrap().headers.contains("no-cache"));
        assert!(
            !has_hash("deadbeefs.js") && !has_hash("facade.css") && has_hash("a/mbolo-1234567890ab_bg.wasm")
        );
    }

    #[test]
    fn a_link_to_a_handle_opens_the_client_and_an_unknown_path_nothing() {
        let site = Site::new(ASSETS, None);
        assert_eq!(get(&site, "/@ana", "").unwrap().status, 200);
        assert_eq!(get(&site, "/@ana/x", ""), None);
        assert_eq!(get(&site, "/nothing", ""), None);
    }

    #[test]
    fn a_directory_is_served_but_nothing_outside_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("web");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("index.html"), "own").unwrap();
        std::fs::write(root.join("index.html.gz"), "packed").unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        let site = Site::new(Assets::default(), Some(root));
        assert_eq!(&get(&site, "/", "").unwrap().body[..], b"own");
        assert_eq!(&get(&site, "/", "Accept-Encoding: gzip\r\n").unwrap().body[..], b"packed");
        assert_eq!(get(&site, "/../secret", ""), None);
        assert_eq!(get(&site, "//etc/hostname", ""), None);
    }
}
