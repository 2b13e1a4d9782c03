CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- parent is the row of the folder, 0 for the root (row 1). Inode and size are unsigned numbers bit for bit.
-- (parent, name) is not unique: within a scan a name may pass from one entry to another.
CREATE TABLE entry (
    row       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    parent    INTEGER NOT NULL,
    name      TEXT NOT NULL,
    kind      INTEGER NOT NULL,
    ino       INTEGER NOT NULL,
    born      INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    mtime     INTEGER NOT NULL,
    ctime     INTEGER NOT NULL,
    minted    INTEGER NOT NULL,
    hash_kind INTEGER,
    hash      BLOB,
    target    TEXT,
    seq       INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_place ON entry (parent, name);
CREATE INDEX entry_inode ON entry (ino);
CREATE INDEX entry_seq ON entry (seq);

CREATE TABLE removed (seq INTEGER PRIMARY KEY, id TEXT NOT NULL) STRICT;
CREATE INDEX removed_id ON removed (id);
