-- Sealed pieces of ratchet trees. until is the position of the commit whose GroupInfo does not name a chunk any more; NULL as
-- long as it is in use.

CREATE TABLE tree_chunks (
    num    INTEGER NOT NULL,
    id     BLOB NOT NULL,
    until  INTEGER,
    bytes  INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (num, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tree_chunks_by_end ON tree_chunks (num, until, bytes);
