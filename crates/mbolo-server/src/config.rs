//! What an operator can set, declared once.
//!
//! The table in this file is the only place that names a setting. From it come [`Config`] (every setting has a
//! value), [`Layer`] (a source may leave settings out), the environment variables, and the documented example
//! file `docs/cell.example.toml`, which a test compares with [`example`]. Sources are laid over each other:
//! defaults < file < environment < flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

mod values;

pub use values::{LogFormat, Setting, Signup, Tls};

/// Why a configuration cannot be used. Every message names the setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is not TOML, names a setting that does not exist, or gives one a value of the wrong type.
    #[error("in the configuration file {path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// A value from the environment or a flag does not parse.
    #[error("{source_name}: {message}")]
    Value {
        /// The variable or flag.
        source_name: String,
        /// What is wrong with its value.
        message: String,
    },
    /// Two settings do not fit together, or one is outside of its bounds.
    #[error("{0}")]
    Inconsistent(String),
}

/// One row of the settings table, for programs that list or document settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingInfo {
    /// The key in the file and the name of the flag (with `-` for `_`).
    pub key: &'static str,
    /// The environment variable.
    pub variable: String,
    /// What it does, in lines.
    pub doc: Vec<&'static str>,
    /// Its default as TOML, or `None` if it is not set by default.
    pub default: Option<String>,
    /// A value to show where there is no default, as TOML.
    pub example: Option<&'static str>,
}

macro_rules! settings {
    ($( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr $(, show $example:literal)?; )+) => {
        /// Every setting with its value.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            $( $(#[doc = $doc])+ pub $key: $type, )+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        /// The settings that one source gives; the others are left to the sources below it.
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Layer {
            $( $(#[doc = $doc])+ pub $key: Option<$type>, )+
        }

        impl Layer {
            /// Sets one setting from text, as a flag or the environment gives it. Fails for an unknown key too.
            pub fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
                match key {
                    $( stringify!($key) => {
                        self.$key = Some(Setting::parse(text)?);
                        Ok(())
                    } )+
                    _ => Err(format!("there is no setting named {key}")),
                }
            }

            fn lay_over(self, config: &mut Config) {
                $( if let Some(value) = self.$key { config.$key = value; } )+
            }
        }

        /// Every setting, in the order of the example file.
        pub fn settings() -> Vec<SettingInfo> {
            let defaults = Config::default();
            vec![ $( SettingInfo {
                key: stringify!($key),
                variable: format!("MBOLO_{}", stringify!($key).to_uppercase()),
                doc: vec![$( $doc.trim_start() ),+],
                default: defaults.$key.to_toml(),
                example: None $( .or(Some($example)) )?,
            } ),+ ]
        }
    };
}

settings! {
    /// Where the cell keeps everything: keys, store, generated certificate. Made on first start.
    data: PathBuf = PathBuf::from("data");
    /// The address and port to serve on: the web client, the sessions, and (from this machine) the metrics.
    listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7878));
    /// The cell's public name, as people type it: a DNS name or an address, with the port unless it is 80 or 443.
    /// Not set: the address it listens on.
    name: Option<String> = None, show "\"cell.example\"";
    /// "off" (plain HTTP: for this machine only, or behind a proxy that does TLS), "generated" (a self-signed
    /// certificate, for a LAN; its fingerprint is printed) or "files" (see tls_cert and tls_key).
    tls: Tls = Tls::Off;
    /// PEM file with the certificate chain, for tls = "files".
    tls_cert: Option<PathBuf> = None, show "\"/etc/mbolo/fullchain.pem\"";
    /// PEM file with the private key, for tls = "files".
    tls_key: Option<PathBuf> = None, show "\"/etc/mbolo/privkey.pem\"";
    /// Who may create an account: "open" (anyone, with a proof of work; an invite spares the work),
    /// "invite" (only with an invite) or "closed".
    signup: Signup = Signup::Open;
    /// Leading zero bits that a sign-up's proof of work must show. 18 takes about a quarter of a second in a browser,
    /// each bit more doubles it. At most 22.
    pow_bits: u32 = 18;
    /// Days that entries are kept.
    retention_days: u32 = 90;
    /// Logins and sign-ups admitted a second, on average; the rest are told when to come back. Protects a cell that
    /// everyone returns to at once.
    login_rate: u32 = 3_000;
    /// Logins admitted at once before login_rate counts.
    login_burst: u32 = 2_000;
    /// Entries that one session may publish a second, on average.
    publish_rate: u32 = 5_000;
    /// Entries that one session may publish at once before publish_rate counts.
    publish_burst: u32 = 2_000;
    /// What all other requests of one account may cost a second, on average, in units of about 10 microseconds: following
    /// a room costs 1, a lookup 2, a KeyPackage 20, a commit 100 and 10 for each of its proposals.
    request_rate: u32 = 20_000;
    /// What they may cost at once before request_rate counts. A device in 1,000 rooms comes back for 3,000.
    request_burst: u32 = 100_000;
    /// Connections in all. Each needs a file descriptor: keep it well below `ulimit -n`.
    max_connections: u32 = 15_000;
    /// Connections from one address (one /64 for IPv6). Addresses of this machine are not limited.
    max_connections_per_address: u32 = 256;
    /// Bytes that may wait for one connection. A reader slower than that is disconnected and resumes later.
    send_queue_bytes: u32 = 16 * 1024 * 1024;
    /// Threads that serve connections. 0: half of the processors.
    gateway_threads: u32 = 0;
    /// Address for Prometheus metrics (/metrics, /healthz). Not set: /metrics on `listen`, for callers on this machine only.
    metrics_listen: Option<SocketAddr> = None, show "\"127.0.0.1:9420\"";
    /// The observatory (Pulse) that watches this cell: its address for people. Clients are told of it, and the cell sends it
    /// once a minute how many logged-in devices it has in each country and network, and nothing finer. Not set: neither.
    pulse_url: Option<String> = None, show "\"https://pulse.example\"";
    /// The name under which the observatory watches this cell's service.
    pulse_service: String = "mbolo".to_owned();
    /// Addresses where the observatory's signed snapshots are, for clients that do not reach the cell. On other hosts than it.
    pulse_snapshots: Vec<String> = Vec::new();
    /// The Ed25519 public keys, in hex, that may sign these snapshots.
    pulse_keys: Vec<String> = Vec::new();
    /// The table of countries and networks, as `mbolo pulse geo build` makes it. Not set: devices are counted without a place.
    pulse_geo: Option<PathBuf> = None, show "\"/var/lib/mbolo/geo.bin\"";
    /// Addresses of other cells. A client that does not reach this one tries them to see whether it is only this one.
    alternates: Vec<String> = Vec::new();
    /// What is logged: error, warn, info, debug or trace, also per module ("info,mbolo_server=debug").
    log: String = "info,fjall=warn,lsm_tree=warn".to_owned();
    /// "text" for people or "json" for programs, one line an event.
    log_format: LogFormat = LogFormat::Text;
    /// Serve the web client from this directory instead of the one inside the program.
    web_dir: Option<PathBuf> = None, show "\"/srv/mbolo-web\"";
}

impl Config {
    /// Lays the sources over each other: defaults, then `file`, then the `MBOLO_…` variables of `environment`, then
    /// `flags`; and checks that the result fits together. Variables that name no setting are left alone.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: Layer,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            Layer::from_file(path)?.lay_over(&mut config);
        }
        Layer::from_environment(environment)?.lay_over(&mut config);
        flags.lay_over(&mut config);
        config.check()?;
        Ok(config)
    }

    /// The cell's name for people: the configured one or the address it listens on.
    pub fn public_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.listen.to_string())
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |message: &str| Err(ConfigError::Inconsistent(message.to_owned()));
        if self.tls == Tls::Files && (self.tls_cert.is_none() || self.tls_key.is_none()) {
            return wrong("tls = \"files\" needs tls_cert and tls_key: name both PEM files");
        }
        if self.tls != Tls::Files && (self.tls_cert.is_some() || self.tls_key.is_some()) {
            return wrong("tls_cert and tls_key are only used with tls = \"files\": set it, or remove them");
        }
        if self.pow_bits > MAX_POW_BITS {
            return wrong(
                "pow_bits is at most 22: with more, a slow device does not finish before it has to log in, and \
                 nobody can sign up on it",
            );
        }
        if self.max_connections == 0 || self.max_connections_per_address == 0 {
            return wrong("max_connections and max_connections_per_address must be at least 1");
        }
        let smallest_queue = 2 * mbolo_proto::limits::MAX_FRAME_BYTES as u32;
        if self.send_queue_bytes < smallest_queue {
            return wrong("send_queue_bytes must be at least 8388608: two of the largest frames");
        }
        if self.gateway_threads > 64 {
            return wrong("gateway_threads is at most 64");
        }
        let addresses = self.pulse_url.iter().chain(&self.pulse_snapshots).chain(&self.alternates);
        for address in addresses {
            if !is_web_address(address) {
                return wrong(&format!(
                    "{address:?} in pulse_url, pulse_snapshots or alternates is not an address like https://pulse.example"
                ));
            }
        }
        if self.pulse_keys.iter().any(|key| key.len() != 64 || !key.bytes().all(|b| b.is_ascii_hexdigit())) {
            return wrong("pulse_keys are Ed25519 public keys, 64 hexadecimal digits each");
        }
        let rates = [
            self.login_rate,
            self.login_burst,
            self.publish_rate,
            self.publish_burst,
            self.request_rate,
            self.request_burst,
        ];
        if rates.contains(&0) || self.retention_days == 0 {
            return wrong(
                "login_rate, login_burst, publish_rate, publish_burst, request_rate, request_burst and \
                 retention_days must be at least 1",
            );
        }
        Ok(())
    }
}

impl Layer {
    /// The settings of a TOML file. A key that is no setting is refused by name.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })
    }

    /// The settings among these environment variables.
    pub fn from_environment(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        let settings = settings();
        for (variable, value) in environment {
            if let Some(setting) = settings.iter().find(|setting| setting.variable == variable) {
                layer
                    .set(setting.key, &value)
                    .map_err(|message| ConfigError::Value { source_name: variable, message })?;
            }
        }
        Ok(layer)
    }
}

/// The documented example file: every setting with its meaning, its variable and its default.
pub fn example() -> String {
    let mut text = String::from(
        "# A cell's configuration: mbolo serve --config cell.toml\n\
         #\n\
         # Every setting may be left out. The environment variable named with it goes over this file, and the flag of\n\
         # the same name (--pow-bits for pow_bits) over both.\n",
    );
    for setting in settings() {
        text.push('\n');
        for line in &setting.doc {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("# ({})\n", setting.variable));
        match (&setting.default, setting.example) {
            (Some(default), _) => text.push_str(&format!("{} = {default}\n", setting.key)),
            (None, example) => text.push_str(&format!("# {} = {}\n", setting.key, example.unwrap_or("\"\""))),
        }
    }
    text
}

/// Whether it is an absolute address of a page, of characters that are harmless in a header.
fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
            && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b";,'\"<>\\".contains(&byte))
    })
}

/// Sixteen times the default: a few seconds in a browser. A sign-up has half a minute, from the challenge on.
const MAX_POW_BITS: u32 = 22;

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(text: &str) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cell.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), [], Layer::default())
    }

    #[test]
    fn the_example_file_is_this_table_and_means_the_defaults() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cell.example.toml");
        if std::env::var_os("MBOLO_BLESS").is_some() {
            std::fs::write(&shipped, example()).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&shipped).unwrap(),
            example(),
            "write it again with MBOLO_BLESS=1 cargo test -p mbolo-server example_file"
        );
        assert_eq!(from_text(&example()).unwrap(), Config::default());
    }

    #[test]
    fn every_setting_of_the_example_file_can_be_uncommented() {
        let uncommented: String = example()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if settings().iter().any(|s| rest.starts_with(&format!("{} = ", s.key))) => rest,
                _ => line,
            })
            .map(|line| format!("{}\n", line.replace("tls = \"off\"", "tls = \"files\"")))
            .collect();
        let config = from_text(&uncommented).unwrap();
        assert_eq!(config.name.as_deref(), Some("cell.example"));
        assert!(config.metrics_listen.is_some() && config.web_dir.is_some() && config.tls_key.is_some());
    }

    #[test]
    fn flags_go_over_the_environment_and_that_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cell.toml");
        std::fs::write(&path, "pow_bits = 1\nretention_days = 1\nlogin_rate = 1\n").unwrap();
        let environment = [("MBOLO_POW_BITS", "2"), ("MBOLO_RETENTION_DAYS", "2"), ("MBOLO_UNRELATED", "x")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut flags = Layer::default();
        flags.set("pow_bits", "3").unwrap();
        let config = Config::load(Some(&path), environment, flags).unwrap();
        assert_eq!((config.pow_bits, config.retention_days, config.login_rate), (3, 2, 1));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = from_text("lisetn = \"127.0.0.1:1\"\n").unwrap_err().to_string();
        assert!(error.contains("lisetn"), "{error}");
    }

    #[test]
    fn a_bad_variable_is_named() {
        let environment = [("MBOLO_LISTEN".to_owned(), "here".to_owned())];
        let error = Config::load(None, environment, Layer::default()).unwrap_err().to_string();
        assert!(error.contains("MBOLO_LISTEN") && error.contains("here"), "{error}");
    }

    #[test]
    fn lists_are_read_from_flags_and_addresses_that_are_none_are_refused() {
        let mut flags = Layer::default();
        flags.set("alternates", "https://a.example, https://b.example").unwrap();
        let config = Config::load(None, [], flags).unwrap();
        assert_eq!(config.alternates, ["https://a.example", "https://b.example"]);
        for wrong in ["pulse.example", "https://", "https://x; script-src *", "javascript:1"] {
            let error = from_text(&format!("pulse_url = {wrong:?}\n")).unwrap_err().to_string();
            assert!(error.contains("pulse_url"), "{error}");
        }
        assert!(from_text("pulse_keys = [\"ab\"]\n").unwrap_err().to_string().contains("pulse_keys"));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        assert!(from_text("tls = \"files\"\n").unwrap_err().to_string().contains("tls_cert"));
        assert!(from_text("pow_bits = 22\n").is_ok());
        assert!(from_text("pow_bits = 23\n").unwrap_err().to_string().contains("pow_bits"));
    }
}
