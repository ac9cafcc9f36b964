-- No table has a row number that counts up (but for the journal of step 2, whose rows live for seconds), and no time is
-- finer than a day (channel entries: a minute). Rows stand under random or natural keys, so that the order of rows in one
-- table says nothing about those of another.

-- Accounts ------------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    account          BLOB PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    record           BLOB NOT NULL,
    memory_kib       INTEGER NOT NULL,
    iterations       INTEGER NOT NULL,
    parallelism      INTEGER NOT NULL,
    password_version INTEGER NOT NULL,
    created_day      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    account BLOB PRIMARY KEY,
    part    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    account     BLOB NOT NULL,
    device      BLOB NOT NULL,
    key         BLOB NOT NULL,
    key_package BLOB NOT NULL,
    PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    code        TEXT PRIMARY KEY,
    maker       BLOB,
    expires_day INTEGER NOT NULL,
    used        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_maker ON invites (maker, expires_day) WHERE maker IS NOT NULL;
CREATE INDEX invites_by_day ON invites (expires_day);

CREATE TABLE vault_wraps (
    account BLOB NOT NULL,
    way     INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, way)
) STRICT, WITHOUT ROWID;

CREATE TABLE vault_records (
    account BLOB NOT NULL,
    id      INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE inboxes (
    account BLOB PRIMARY KEY,
    last    INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox_entries (
    account BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    day     INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX inbox_entries_by_id ON inbox_entries (account, id);
CREATE INDEX inbox_entries_by_day ON inbox_entries (day);

-- Tokens --------------------------------------------------------------------------------------------------------------

CREATE TABLE tokens_issued (
    account BLOB NOT NULL,
    day     INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (account, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_issued_by_day ON tokens_issued (day);

CREATE TABLE tokens_spent (
    epoch INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    PRIMARY KEY (epoch, nonce)
) STRICT, WITHOUT ROWID;

-- Channels ------------------------------------------------------------------------------------------------------------

-- `num` is random. The row is as of its last full write: what followed by plain appends (last position, chain value,
-- bytes) stands in the last row of `entries`. Ids of entries above `indexed` are not in `entry_ids` yet.
CREATE TABLE channels (
    num              INTEGER PRIMARY KEY,
    channel          BLOB NOT NULL UNIQUE,
    access           BLOB NOT NULL,
    access_since     INTEGER NOT NULL,
    commit_position  INTEGER NOT NULL,
    commit_hash      BLOB NOT NULL,
    last_position    INTEGER NOT NULL,
    last_hash        BLOB NOT NULL,
    first            INTEGER NOT NULL,
    oldest_minute    INTEGER,
    bytes            INTEGER NOT NULL,
    group_infos      INTEGER NOT NULL,
    group_info_bytes INTEGER NOT NULL,
    created_with     BLOB NOT NULL,
    indexed          INTEGER NOT NULL
) STRICT;
CREATE INDEX channels_by_oldest ON channels (oldest_minute) WHERE oldest_minute IS NOT NULL;

-- `at` is num * 2^32 + position: the log of a channel lies together and grows at its end. `bytes` is the channel's total
-- with this entry. `sealed` is null once the content has expired.
CREATE TABLE entries (
    at             INTEGER PRIMARY KEY,
    hash           BLOB NOT NULL,
    kind           INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    id             BLOB NOT NULL,
    minute         INTEGER NOT NULL,
    after_position INTEGER NOT NULL,
    after_hash     BLOB NOT NULL,
    next_access    BLOB,
    sealed         BLOB
) STRICT;

CREATE TABLE entry_ids (
    num      INTEGER NOT NULL,
    id       BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (num, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_keys (
    num    INTEGER NOT NULL,
    access BLOB NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER,
    PRIMARY KEY (num, access)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_infos (
    at     INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE keyrings (
    num      INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    keyring  BLOB NOT NULL
) STRICT;

-- The server itself -----------------------------------------------------------------------------------------------------

CREATE TABLE state (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
