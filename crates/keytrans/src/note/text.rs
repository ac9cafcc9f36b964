//! Pieces of text that several formats share: decimal numbers, hashes, lines.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    Digest, KeyTransError,
    error::{NotePart, NoteProblem},
};

/// The error for a part that is not as it must be.
pub(super) const fn bad(part: NotePart, problem: NoteProblem) -> KeyTransError {
    KeyTransError::Note { part, problem }
}

/// A decimal number of at most `limit`, without sign and without leading zeros.
pub(super) fn parse_number(part: NotePart, text: &str, limit: u64) -> Result<u64, KeyTransError> {
    let form = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = if form { text.parse().ok() } else { None };
    number.filter(|number| *number <= limit).ok_or(bad(part, NoteProblem::Number))
}

/// Bytes of their base64, padded and canonical.
pub(super) fn parse_base64(part: NotePart, text: &str) -> Result<Vec<u8>, KeyTransError> {
    STANDARD.decode(text).map_err(|_| bad(part, NoteProblem::Base64))
}

/// A hash of its base64.
pub(super) fn parse_digest(part: NotePart, text: &str) -> Result<Digest, KeyTransError> {
    let bytes = parse_base64(part, text)?;
    let found = bytes.len();
    bytes.try_into().map(Digest).map_err(|_| bad(part, NoteProblem::Length { expected: 32, found }))
}

/// The base64 of bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What is within a bound, as text without control characters other than newlines, and with a newline at its end.
pub(super) fn parse_text(part: NotePart, bytes: &[u8], limit: usize) -> Result<&str, KeyTransError> {
    if bytes.len() > limit {
        return Err(bad(part, NoteProblem::TooLong { limit, found: bytes.len() }));
    }
    let text = str::from_utf8(bytes).map_err(|_| bad(part, NoteProblem::Utf8))?;
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(bad(part, NoteProblem::Character));
    }
    if !text.ends_with('\n') {
        return Err(bad(part, NoteProblem::FinalNewline));
    }
    Ok(text)
}

/// The lines of hashes in front, up to the empty line, and what follows that.
pub(super) fn parse_digest_lines(text: &str, limit: usize) -> Result<(Vec<Digest>, &str), KeyTransError> {
    let mut digests = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = rest.split_once('\n').ok_or(bad(NotePart::ProofLine, NoteProblem::Form))?;
        rest = after;
        if line.is_empty() {
            return Ok((digests, rest));
        }
        if digests.len() == limit {
            return Err(bad(NotePart::ProofLine, NoteProblem::TooMany { limit }));
        }
        digests.push(parse_digest(NotePart::ProofLine, line)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for (text, number) in [("0", 0), ("7", 7), ("20852163", 20_852_163), ("100", 100)] {
            assert_eq!(parse_number(NotePart::Size, text, 1 << 40), Ok(number));
        }
        for text in ["", "00", "07", "+7", "-7", " 7", "7 ", "7a", "0x7", "1_000", "٧", "99999999999999999999", "101"]
        {
            assert_eq!(
                parse_number(NotePart::Size, text, 100),
                Err(bad(NotePart::Size, NoteProblem::Number)),
                "{text}"
            );
        }
    }

    #[test]
    fn base64_has_one_form() {
        assert_eq!(parse_base64(NotePart::Root, "AAE="), Ok(vec![0, 1]));
        for text in ["AAE", "AAF=", "AAE=\n", " AAE=", "AA-_", "A"] {
            assert_eq!(parse_base64(NotePart::Root, text), Err(bad(NotePart::Root, NoteProblem::Base64)), "{text}");
        }
        let short = bad(NotePart::Root, NoteProblem::Length { expected: 32, found: 2 });
        assert_eq!(parse_digest(NotePart::Root, "AAE="), Err(short));
    }
}
