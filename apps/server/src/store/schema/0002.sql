-- Messages that are acknowledged and not in `entries` yet: a row for each transaction, in the order in which they were
-- committed. No row outlives the next move into `entries` (some seconds, or some thousand messages); `seq` begins anew when
-- the server starts with an empty journal. The format of `block` is that of store/journal/block.rs.
CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY,
    block BLOB NOT NULL
) STRICT;
