//! What happened in a run, as a hash: the same seed must give the same bytes. On demand also as text.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

/// Takes everything that happens.
pub struct Trace {
    hasher: Sha256,
    print: bool,
    lines: u64,
}

impl Trace {
    /// An empty trace; `print` writes it to standard error as well.
    pub fn new(print: bool) -> Self {
        Self { hasher: Sha256::new(), print, lines: 0 }
    }

    /// Something happened.
    pub fn line(&mut self, now_ms: u64, what: fmt::Arguments<'_>) {
        self.lines += 1;
        self.hasher.update(now_ms.to_be_bytes());
        let Ok(()) = Hashed(&mut self.hasher).write_fmt(what) else { unreachable!("hashing cannot fail") };
        if self.print {
            eprintln!("{:>9.3} {what}", (now_ms - crate::START_MS) as f64 / 1000.0);
        }
    }

    /// More about what happened, for readers only: it is no part of the hash.
    pub fn detail(&mut self, what: fmt::Arguments<'_>) {
        if self.print {
            eprintln!("          {what}");
        }
    }

    /// Bytes that went somewhere; their length is printed.
    pub fn bytes(&mut self, now_ms: u64, what: fmt::Arguments<'_>, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.line(now_ms, format_args!("{what}, {} bytes", bytes.len()));
    }

    /// How much happened so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The hash of everything so far, in hex.
    pub fn hash(&self) -> String {
        let hash = self.hasher.clone().finalize();
        hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Hashed<'h>(&'h mut Sha256);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
