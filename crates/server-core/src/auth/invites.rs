//! Invite codes: their form, and when one counts.

use quicprochat_wire::{AccountId, Entropy, ErrorCode, Timestamp, call::auth::Invite, entropy::random_array};

use crate::store::{Day, InviteRow, Refusal, StoreTx};

/// Without the letters that are mistaken for digits (Crockford's base 32, lower case).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of a code: 100 bits.
const CODE_CHARS: usize = 20;
/// Largest text that is looked up.
const MAX_CODE_BYTES: usize = 64;

/// A code nobody has.
pub(super) fn fresh_invite(maker: Option<AccountId>, expires: Day, entropy: &mut dyn Entropy) -> InviteRow {
    let mut code = String::with_capacity(CODE_CHARS + 3);
    for (index, byte) in random_array::<CODE_CHARS>(entropy).into_iter().enumerate() {
        if index > 0 && index.is_multiple_of(5) {
            code.push('-');
        }
        let letter = ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0');
        code.push(char::from(letter));
    }
    InviteRow { code, maker, expires, used: false }
}

/// Finds a code that counts.
///
/// Errors:   `invite-invalid`.
pub(super) fn usable(tx: &mut dyn StoreTx, code: Option<&str>, today: Day) -> Result<InviteRow, Refusal> {
    let code = code.map(str::trim).filter(|code| code.len() <= MAX_CODE_BYTES).ok_or(ErrorCode::InviteInvalid)?;
    let row = tx.invites().by_code(&code.to_ascii_lowercase())?;
    row.filter(|row| !row.used && today <= row.expires).ok_or_else(|| ErrorCode::InviteInvalid.into())
}

/// The row as it travels.
pub(super) fn to_wire(row: &InviteRow) -> Invite {
    Invite { code: row.code.clone(), expires: lapses(row.expires), used: row.used }
}

/// The first moment at which a code does not count any more.
fn lapses(last: Day) -> Timestamp {
    Day(last.0.saturating_add(1)).start()
}
