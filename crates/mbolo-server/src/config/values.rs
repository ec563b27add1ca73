//! The types of settings, each readable from TOML and from plain text.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A value of a setting.
pub trait Setting: Sized {
    /// Reads it from the text of a flag or an environment variable.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes it as TOML; `None` if it stands for "not set".
    fn to_toml(&self) -> Option<String>;
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal ),+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $( $(#[$variant_doc])* $variant ),+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $( Self::$variant => $text ),+ })
            }
        }

        impl Setting for $name {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $text => Ok(Self::$variant), )+
                    _ => Err(format!("{text:?} is none of {}", [$( $text ),+].join(", "))),
                }
            }
            fn to_toml(&self) -> Option<String> {
                Some(format!("\"{self}\""))
            }
        }
    };
}

choice!(
    /// How connections are protected.
    Tls {
        /// Not: for this machine, or behind a proxy.
        Off = "off",
        /// By a certificate made on first start.
        Generated = "generated",
        /// By the operator's certificate.
        Files = "files"
    }
);

choice!(
    /// Who may create an account.
    Signup {
        /// Anyone, with a proof of work; or with an invite, without.
        Open = "open",
        /// Who has an invite.
        Invite = "invite",
        /// Nobody.
        Closed = "closed"
    }
);

choice!(
    /// How log lines look.
    LogFormat {
        /// For people.
        Text = "text",
        /// For programs.
        Json = "json"
    }
);

impl Setting for u32 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is not a whole number"))
    }
    fn to_toml(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("a path must not be empty".to_owned()) } else { Ok(text.into()) }
    }
    fn to_toml(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address with a port, such as 127.0.0.1:7878 or [::]:443")
        })
    }
    fn to_toml(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

impl Setting for Vec<String> {
    fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(items.map(str::to_owned).collect())
    }
    fn to_toml(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(|item| quoted(item)).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl<T: Setting> Setting for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }
    fn to_toml(&self) -> Option<String> {
        self.as_ref().and_then(T::to_toml)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
