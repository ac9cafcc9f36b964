-- Archives of histories: sealed objects under random ids, and what each account's take together.

CREATE TABLE archives (
    account BLOB PRIMARY KEY,
    objects INTEGER NOT NULL,
    bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE archive_objects (
    account BLOB NOT NULL,
    id      BLOB NOT NULL,
    sealed  BLOB NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
