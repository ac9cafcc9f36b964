//! Tables of the client's store.
//!
//! A row is the engine's own versioned encoding in the column `row`; other columns are what it is looked up by. Each migration is
//! final once released: a new format is a new step.

/// One step a format version; the file's `user_version` is how many have run.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE single (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contact (account BLOB PRIMARY KEY, name TEXT NOT NULL, host TEXT NOT NULL, named INTEGER NOT NULL, row BLOB NOT NULL);
CREATE INDEX contact_name ON contact (name, host);
CREATE TABLE conversation (channel BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE creation (channel BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE pending_commit (channel BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE record (channel BLOB NOT NULL, account BLOB NOT NULL, serial INTEGER NOT NULL, hash BLOB NOT NULL, row BLOB NOT NULL,
    UNIQUE (channel, account, serial, hash));
CREATE INDEX record_hash ON record (channel, hash);
CREATE TABLE message (arrival INTEGER PRIMARY KEY, channel BLOB NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL, sender BLOB NOT NULL,
    row BLOB NOT NULL, UNIQUE (channel, seq));
CREATE INDEX message_id ON message (channel, id);
CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, intent BLOB NOT NULL UNIQUE, channel BLOB NOT NULL, row BLOB NOT NULL);
CREATE INDEX outbox_channel ON outbox (channel);
CREATE TABLE delivery (id BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE invitation (id BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE token (nonce BLOB PRIMARY KEY, ready INTEGER NOT NULL, row BLOB NOT NULL);
CREATE TABLE key_package (package BLOB PRIMARY KEY, made INTEGER NOT NULL, row BLOB NOT NULL);
CREATE TABLE job (device BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE mls (key BLOB PRIMARY KEY, value BLOB NOT NULL);
", "
CREATE TABLE conversation_settings (channel BLOB PRIMARY KEY, row BLOB NOT NULL);
CREATE TABLE known_contact (account BLOB PRIMARY KEY, name TEXT NOT NULL, host TEXT NOT NULL, pinned INTEGER NOT NULL, row BLOB NOT NULL);
CREATE INDEX known_contact_name ON known_contact (name, host);
", "
CREATE TABLE raw_log (number INTEGER PRIMARY KEY, channel BLOB NOT NULL, position INTEGER NOT NULL, time INTEGER NOT NULL,
    bytes INTEGER NOT NULL, ends INTEGER NOT NULL, row BLOB NOT NULL, UNIQUE (channel, position));
CREATE TABLE raw_roll (channel BLOB NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (channel, position)) WITHOUT ROWID;
"];
