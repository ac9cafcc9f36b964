//! What a message says: the MIMI content format (draft-ietf-mimi-content-08).
