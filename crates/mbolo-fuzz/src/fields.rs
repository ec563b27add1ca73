//! Protobuf's outer form without its schema: a message as a list of fields, bytes that may be messages again.

/// One field as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub number: u64,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Vec<u8>),
    Fixed32([u8; 4]),
}

/// Takes a message apart; `None` if the bytes are no message.
pub(crate) fn parse(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Varint(take_varint(&mut bytes)?),
            1 => Value::Fixed64(take(&mut bytes, 8)?.try_into().ok()?),
            2 => {
                let length = take_varint(&mut bytes)?.try_into().ok()?;
                Value::Bytes(take(&mut bytes, length)?.to_vec())
            }
            5 => Value::Fixed32(take(&mut bytes, 4)?.try_into().ok()?),
            _ => return None,
        };
        if tag >> 3 == 0 {
            return None;
        }
        fields.push(Field { number: tag >> 3, value });
    }
    Some(fields)
}

/// Puts a message together.
pub(crate) fn print(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in fields {
        let tag = |wire_type: u64| field.number << 3 | wire_type;
        match &field.value {
            Value::Varint(value) => {
                put_varint(&mut out, tag(0));
                put_varint(&mut out, *value);
            }
            Value::Fixed64(bytes) => {
                put_varint(&mut out, tag(1));
                out.extend_from_slice(bytes);
            }
            Value::Bytes(bytes) => {
                put_varint(&mut out, tag(2));
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Value::Fixed32(bytes) => {
                put_varint(&mut out, tag(5));
                out.extend_from_slice(bytes);
            }
        }
    }
    out
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart_and_together_again() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x02, b'h', b'i', 0x1d, 1, 2, 3, 4];
        let fields = parse(&bytes).expect("it is a message");
        assert_eq!(fields.len(), 3);
        assert_eq!(fields[0], Field { number: 1, value: Value::Varint(150) });
        assert_eq!(print(&fields), bytes);
        assert_eq!(parse(&[0x12, 5, 0]), None);
    }
}
