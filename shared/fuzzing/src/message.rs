//! Inputs of parsers that read a message: headers and a body in one file.

/// Takes an input apart: lines such as `name: value` up to an empty one, and what is behind it. Lines that are no
/// header are left out.
#[must_use]
pub fn message(input: &[u8]) -> (Vec<(&str, &[u8])>, &[u8]) {
    let mut headers = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind.get(1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        headers.extend(header(line));
    }
    (headers, rest)
}

fn header(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.windows(2).position(|pair| pair == b": ")?;
    let (name, value) = line.split_at(colon);
    Some((std::str::from_utf8(name).ok()?, value.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn headers_end_with_an_empty_line() {
        let (headers, body) = message(b"a: 1\nno header\nb: \xff: 2\n\nc: 3\n\n");

        assert_eq!(headers, [("a", &b"1"[..]), ("b", b"\xff: 2")]);
        assert_eq!(body, b"c: 3\n\n");
        assert_eq!(message(b"a: 1"), (vec![("a", &b"1"[..])], &b""[..]));
        assert_eq!(message(b""), (Vec::new(), &b""[..]));
    }
}
