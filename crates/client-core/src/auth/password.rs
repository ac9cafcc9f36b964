//! A password on its way through a ceremony.

use core::fmt;

use zeroize::Zeroizing;

/// What a person typed.
///
/// Secrets:  zeroised on drop; it lives as long as its ceremony and is stored nowhere.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password over from whoever read it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}
