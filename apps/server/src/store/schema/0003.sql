-- OPAQUE records of the ways into an account beside the password: way 2 is the recovery key.

CREATE TABLE ways (
    account     BLOB NOT NULL,
    way         INTEGER NOT NULL,
    record      BLOB NOT NULL,
    memory_kib  INTEGER NOT NULL,
    iterations  INTEGER NOT NULL,
    parallelism INTEGER NOT NULL,
    PRIMARY KEY (account, way)
) STRICT, WITHOUT ROWID;
