//! Which passwords are too easy to guess. The server could try guesses offline at one stretching each (DESIGN A4).

use zeroize::Zeroizing;

use crate::{error::IdentityError, name::AccountName};

/// Fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 10;
/// Most bytes of a password.
pub const MAX_PASSWORD_BYTES: usize = 1024;

const COMMON: &str = include_str!("common.txt");
/// Rows of keyboards and the like; a password that walks along one of them, in either direction, is no secret.
const WALKS: [&str; 7] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
];

/// What makes a password too easy to guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// Under [`MIN_PASSWORD_CHARS`].
    #[error("it has fewer than 10 characters")]
    TooShort,
    /// Over [`MAX_PASSWORD_BYTES`].
    #[error("it has more than 1,024 bytes")]
    TooLong,
    /// One of the most common passwords, alone or with digits and signs around it.
    #[error("it is one of the most common passwords")]
    Common,
    /// A short piece over and over.
    #[error("it repeats one short piece")]
    Repeats,
    /// A walk along the alphabet, the digits or the keyboard.
    #[error("it walks along the alphabet or the keyboard")]
    Walk,
    /// The account's name, alone, doubled, reversed, or with digits and signs around it.
    #[error("it is made of the account's name")]
    ContainsName,
}

/// Checks a new password: at least 10 characters, none of the most common ones, no trivial pattern, not the account's name.
///
/// Existing passwords are never checked: a rule that tightens must not lock anybody out.
///
/// Errors:   [`IdentityError::PasswordWeak`].
pub fn check_password_strength(password: &str, name: Option<&AccountName>) -> Result<(), IdentityError> {
    problem_with(password, name).map_or(Ok(()), |problem| Err(IdentityError::PasswordWeak { problem }))
}

fn problem_with(password: &str, name: Option<&AccountName>) -> Option<PasswordProblem> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Some(PasswordProblem::TooLong);
    }
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Some(PasswordProblem::TooShort);
    }
    let lower = Zeroizing::new(password.to_lowercase());
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    if COMMON.lines().any(|common| common == lower.as_str() || common == core) {
        Some(PasswordProblem::Common)
    } else if repeats(&lower) {
        Some(PasswordProblem::Repeats)
    } else if walks(&lower) {
        Some(PasswordProblem::Walk)
    } else if name.is_some_and(|name| is_made_of(core, name.as_str())) {
        Some(PasswordProblem::ContainsName)
    } else {
        None
    }
}

/// Whether the text is one piece of at most four characters over and over, the last one perhaps cut off.
fn repeats(text: &str) -> bool {
    let chars = Zeroizing::new(text.chars().collect::<Vec<_>>());
    (1..=4).any(|period| chars.iter().zip(chars.iter().skip(period)).all(|(one, next)| one == next))
}

fn walks(text: &str) -> bool {
    let reversed = Zeroizing::new(text.chars().rev().collect::<String>());
    WALKS.iter().any(|walk| walk.contains(text) || walk.contains(reversed.as_str()))
}

fn is_made_of(core: &str, name: &str) -> bool {
    let name = name.trim_matches(|c: char| !c.is_alphabetic());
    let reversed: String = name.chars().rev().collect();
    !name.is_empty()
        && !core.is_empty()
        && [name, reversed.as_str()].iter().any(|piece| core.replace(piece, "").is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(password: &str) -> Option<PasswordProblem> {
        let alice = AccountName::parse("alice.87").expect("valid name");
        match check_password_strength(password, Some(&alice)) {
            Err(IdentityError::PasswordWeak { problem }) => Some(problem),
            other => other.map(|()| None).expect("no other error"),
        }
    }

    #[test]
    fn ordinary_good_passwords_pass() {
        for good in ["tin roof rusted", "k7#mQz!vPa", "übergrößenträger", "alice likes long walks", "9274018365"] {
            assert_eq!(problem(good), None, "{good}");
        }
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        let cases = [
            ("", PasswordProblem::TooShort),
            ("k7#mQz!vP", PasswordProblem::TooShort),
            ("ééééééééé", PasswordProblem::TooShort),
            (&*"x7!".repeat(342), PasswordProblem::TooLong),
            ("Password123", PasswordProblem::Common),
            ("1234password!", PasswordProblem::Common),
            ("correcthorsebatterystaple", PasswordProblem::Common),
            ("QWERTYUIOP", PasswordProblem::Common),
            ("P@ssw0rd2024", PasswordProblem::Common),
            ("zzzzzzzzzzzz", PasswordProblem::Repeats),
            ("abcabcabcab", PasswordProblem::Repeats),
            ("12121212121", PasswordProblem::Repeats),
            ("1234567890", PasswordProblem::Walk),
            ("9876543210", PasswordProblem::Walk),
            ("abcdefghijk", PasswordProblem::Walk),
            ("poiuytrewq", PasswordProblem::Walk),
            ("alice12345", PasswordProblem::ContainsName),
            ("AliceAlice!", PasswordProblem::ContainsName),
            ("123ecila123", PasswordProblem::ContainsName),
        ];
        for (weak, expected) in cases {
            assert_eq!(problem(weak), Some(expected), "{weak}");
        }
        assert_eq!(check_password_strength("alice12345", None), Ok(()));
    }

    #[test]
    fn the_list_is_lower_case_and_without_doubles() {
        let mut lines: Vec<_> = COMMON.lines().collect();
        assert!(lines.len() >= 100, "{}", lines.len());
        assert!(lines.iter().all(|line| !line.is_empty() && *line == line.to_lowercase()));
        let before = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), before);
    }
}
