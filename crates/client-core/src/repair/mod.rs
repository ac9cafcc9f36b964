//! What should be impossible, noticed and mended: a store that was put back to an older copy, and spans that cannot be read.
//!
//! ```text
//!   own leaf wrote what this store does not know ──▶ StoreRolledBack ──▶ enter anew, with other keys ──▶ Active
//!                                                        └─ again within a day: said, and with growing pauses
//! ```

mod returned;
mod row;

pub(crate) use returned::{attempt_id, noticed, scan, scan_is_due, waits};
