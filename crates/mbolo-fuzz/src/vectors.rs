//! Golden vectors as text that people and programs in any language read: records of `key: value` lines,
//! separated by empty lines; lines that begin with `#` are remarks.

/// One golden vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// Unique in its file.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// The values by name, in order. One named `bytes` is hexadecimal.
    pub values: Vec<(String, String)>,
}

impl Vector {
    /// The value called `bytes`, if there is one and it is hexadecimal.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let (_, hex) = self.values.iter().find(|(name, _)| name == "bytes")?;
        data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()
    }
}

/// Reads a file of vectors; says which line is none.
pub fn parse_vectors(text: &str) -> Result<Vec<Vector>, String> {
    let mut vectors: Vec<Vector> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| format!("line {}: no colon", number + 1))?;
        let value = value.trim_start().to_owned();
        match (key, vectors.last_mut()) {
            ("name", _) => vectors.push(Vector { name: value, about: String::new(), values: Vec::new() }),
            ("about", Some(vector)) => vector.about = value,
            (_, Some(vector)) => vector.values.push((key.to_owned(), value)),
            (_, None) => return Err(format!("line {}: a vector begins with its name", number + 1)),
        }
    }
    Ok(vectors)
}

/// The text of a file of vectors; `remark` opens it.
pub fn print_vectors(remark: &str, vectors: &[Vector]) -> String {
    let mut text: String = remark.lines().map(|line| format!("# {line}\n")).collect();
    for vector in vectors {
        text += &format!("\nname: {}\nabout: {}\n", vector.name, vector.about);
        for (name, value) in &vector.values {
            text += format!("{name}: {value}").trim_end();
            text += "\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_vectors_reads_back() {
        let values = vec![("type".into(), "Ping".into()), ("bytes".into(), "00ff".into())];
        let vector = Vector { name: "ping".into(), about: "Nothing: at all".into(), values };
        let text = print_vectors("A remark\nof two lines", std::slice::from_ref(&vector));
        assert_eq!(parse_vectors(&text), Ok(vec![vector.clone()]));
        assert_eq!(vector.bytes(), Some(vec![0, 255]));
        assert!(parse_vectors("bytes: 00").is_err());
    }
}
