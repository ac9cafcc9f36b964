//! Decoders that no public function hands bytes to as they are. For the fuzz targets alone.

/// What a member reads of a commit that it decrypts and cannot follow: whether it is well-formed.
#[must_use]
pub fn reads_commit(sender_data: &[u8], content: &[u8]) -> bool {
    crate::mls::reads_commit(sender_data, content)
}
