-- The current schema, version 3: new databases are made from this file, older ones are brought here by migrations/.
-- A test keeps both equal. Integers are signed 64 bit; times are nanoseconds since 1970; names are UTF-8 as written.
-- kind: 0 file, 1 folder, 2 symbolic link, 3 special.
-- hash: one byte for the algorithm (1 Dropbox, 2 BLAKE3), then the digest.

-- Small values. Keys that start with `catalog.` belong to the catalog itself.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Identities. Ids come from a counter in meta that only grows: one is never given out twice. (AUTOINCREMENT would write its own
-- counter, one page more, with every node.) Everything that is only about a node goes with it (CASCADE); a tree or a staged file that
-- still needs it keeps it.
CREATE TABLE node (
    id   INTEGER PRIMARY KEY CHECK (id > 0),
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3)
) STRICT;

CREATE TRIGGER node_kind_is_for_life BEFORE UPDATE ON node
BEGIN
    SELECT RAISE(ABORT, 'a node never changes its id or kind');
END;

-- Uniqueness that may be broken inside a transaction, for swaps of names, but not at its end: a row in the way of another one is set
-- `aside` (to its own node id) and then no longer counts for its UNIQUE constraints. The deferred foreign key to this table, which
-- holds 0 and nothing else, refuses to commit while any row is still aside.
CREATE TABLE placed (
    aside INTEGER PRIMARY KEY CHECK (aside = 0)
) STRICT;
INSERT INTO placed (aside) VALUES (0);

-- Bytes under staging/. Outlives the local row of its node until it is collected.
CREATE TABLE staged (
    id             BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    node           INTEGER NOT NULL REFERENCES node (id),
    size           INTEGER NOT NULL CHECK (size >= 0),
    hash           BLOB CHECK (length(hash) = 33),
    session_id     TEXT,
    session_offset INTEGER CHECK (session_offset >= 0),
    created        INTEGER NOT NULL,
    CHECK ((session_id IS NULL) = (session_offset IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX staged_by_node ON staged (node);

-- L: what the mount shows. `key` is NULL where it equals the name, which keeps most rows out of its index.
-- content: 0 none, 1 symbolic link, 2 clean (rid, revision, version_size, hash say which version), 3 staged (those say what it replaces).
-- That the row of `staged` exists is checked by the transaction: a foreign key would need one more index, written with every save.
CREATE TABLE local (
    node         INTEGER PRIMARY KEY REFERENCES node (id),
    parent       INTEGER REFERENCES local (node),
    name         TEXT NOT NULL,
    key          TEXT,
    aside        INTEGER NOT NULL DEFAULT 0 REFERENCES placed (aside) DEFERRABLE INITIALLY DEFERRED,
    kind         INTEGER NOT NULL,
    ino          INTEGER NOT NULL CHECK (ino > 0),
    mode         INTEGER NOT NULL,
    uid          INTEGER NOT NULL,
    gid          INTEGER NOT NULL,
    rdev         INTEGER NOT NULL,
    special      INTEGER NOT NULL,
    size         INTEGER NOT NULL CHECK (size >= 0),
    atime        INTEGER NOT NULL,
    mtime        INTEGER NOT NULL,
    ctime        INTEGER NOT NULL,
    btime        INTEGER NOT NULL,
    local_only   INTEGER NOT NULL CHECK (local_only IN (0, 1)),
    content      INTEGER NOT NULL,
    target       TEXT,
    staged       BLOB CHECK (length(staged) = 16),
    rid          TEXT,
    revision     TEXT,
    version_size INTEGER,
    hash         BLOB CHECK (length(hash) = 33),
    CHECK ((parent IS NULL) = (node = 1)),
    CHECK (CASE content
        WHEN 0 THEN kind IN (1, 3)
        WHEN 1 THEN kind = 2 AND target IS NOT NULL
        WHEN 2 THEN kind = 0 AND rid IS NOT NULL
        WHEN 3 THEN kind = 0 AND staged IS NOT NULL
        ELSE 0 END),
    CHECK ((target IS NULL) = (content <> 1) AND (staged IS NULL) = (content <> 3)),
    CHECK ((rid IS NULL) = (revision IS NULL) AND (rid IS NULL) = (version_size IS NULL)),
    CHECK (rid IS NULL OR content IN (2, 3)),
    UNIQUE (parent, name, aside),
    UNIQUE (ino, aside)
) STRICT;
CREATE INDEX local_by_parent ON local (parent);
CREATE INDEX local_by_key ON local (parent, key) WHERE key IS NOT NULL;
CREATE INDEX local_folders ON local (parent) WHERE kind = 1;
CREATE INDEX local_aside ON local (aside) WHERE aside <> 0;

CREATE TRIGGER local_insert_is_sound BEFORE INSERT ON local
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

CREATE TRIGGER local_update_is_sound BEFORE UPDATE OF node, parent, kind ON local
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

-- R: what the provider last told. The parent is checked at the end of the transaction, so that a page may tell children first.
CREATE TABLE remote (
    node     INTEGER PRIMARY KEY REFERENCES node (id),
    parent   INTEGER REFERENCES remote (node) DEFERRABLE INITIALLY DEFERRED,
    name     TEXT NOT NULL,
    key      TEXT NOT NULL,
    aside    INTEGER NOT NULL DEFAULT 0 REFERENCES placed (aside) DEFERRABLE INITIALLY DEFERRED,
    rid      TEXT NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    revision TEXT,
    size     INTEGER CHECK (size >= 0),
    hash     BLOB CHECK (length(hash) = 33),
    modified INTEGER,
    target   TEXT,
    CHECK ((parent IS NULL) = (node = 1)),
    CHECK ((revision IS NULL) = (kind <> 0) AND (size IS NULL) = (kind <> 0)),
    CHECK (kind = 0 OR (hash IS NULL AND modified IS NULL)),
    CHECK ((target IS NULL) = (kind <> 2)),
    UNIQUE (parent, key, aside),
    UNIQUE (rid, aside)
) STRICT;
CREATE INDEX remote_aside ON remote (aside) WHERE aside <> 0;
-- Bytes that the provider has already need not be sent again; small ones are sent more cheaply than they are copied.
CREATE INDEX remote_by_content ON remote (hash) WHERE size >= 65536;

CREATE TRIGGER remote_insert_is_sound BEFORE INSERT ON remote
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

CREATE TRIGGER remote_update_is_sound BEFORE UPDATE OF node, parent, kind ON remote
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

-- S: the merge base, row by row. A parent may leave S before its children and two rows may remember one place, so only the
-- node of the parent must exist.
CREATE TABLE synced (
    node     INTEGER PRIMARY KEY REFERENCES node (id),
    parent   INTEGER REFERENCES node (id),
    name     TEXT NOT NULL,
    key      TEXT NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    rid      TEXT,
    revision TEXT,
    size     INTEGER CHECK (size >= 0),
    hash     BLOB CHECK (length(hash) = 33),
    target   TEXT,
    CHECK ((parent IS NULL) = (node = 1)),
    CHECK ((rid IS NULL) = (kind <> 0) AND (revision IS NULL) = (kind <> 0) AND (size IS NULL) = (kind <> 0)),
    CHECK ((target IS NULL) = (kind <> 2))
) STRICT;
CREATE INDEX synced_by_key ON synced (parent, key);

CREATE TRIGGER synced_insert_is_sound BEFORE INSERT ON synced
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

CREATE TRIGGER synced_update_is_sound BEFORE UPDATE OF node, parent, kind ON synced
BEGIN
    SELECT RAISE(ABORT, 'a row has another kind than its node')
        WHERE (SELECT kind FROM node WHERE id = NEW.node) <> NEW.kind;
    SELECT RAISE(ABORT, 'the parent is not a folder')
        WHERE (SELECT kind FROM node WHERE id = NEW.parent) <> 1;
END;

-- Nodes on which the trees may differ, with the last local change (0: only the remote side changed).
CREATE TABLE dirty (
    node    INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE,
    touched INTEGER NOT NULL
) STRICT;

-- Nodes that only R has: dirty as well, but there may be a whole vault of them, and they are taken up in portions.
CREATE TABLE arriving (
    node INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE
) STRICT;

-- Nodes of the provider's that the user's filter keeps out of L. One that is here has no row in L or S, and need not be dirty.
CREATE TABLE left_out (
    node INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE
) STRICT;

CREATE TRIGGER shown_is_not_left_out AFTER INSERT ON local
BEGIN
    DELETE FROM left_out WHERE node = NEW.node;
END;

CREATE TRIGGER gone_is_not_left_out AFTER DELETE ON remote
BEGIN
    DELETE FROM left_out WHERE node = OLD.node;
END;

CREATE TABLE sync_state (
    node            INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE,
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    not_before      INTEGER,
    problem_kind    TEXT,
    problem_message TEXT,
    held            INTEGER NOT NULL CHECK (held IN (0, 1)),
    priority        INTEGER NOT NULL,
    CHECK ((problem_kind IS NULL) = (problem_message IS NULL))
) STRICT;

-- Position in the provider's change feed: committed together with the rows of its page.
CREATE TABLE feed (
    id        INTEGER PRIMARY KEY CHECK (id = 0),
    cursor    TEXT,
    last_full INTEGER,
    last_pull INTEGER
) STRICT;
INSERT INTO feed (id) VALUES (0);

-- Extended attributes belong to the inode, as the kernel sees it; they go when no name stands for it any more.
CREATE TABLE xattr (
    ino   INTEGER NOT NULL,
    name  BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;

-- Calls that make something at the provider and whose outcome is not recorded yet: after a lost answer or a crash they are looked up.
CREATE TABLE attempt (
    node INTEGER PRIMARY KEY REFERENCES node (id),
    what TEXT NOT NULL
) STRICT;

-- Ids that were changed or looked at here a short while ago: the feed may still tell of them as they were before.
CREATE TABLE certain (
    rid TEXT NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    node INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE
) STRICT;

-- Kept versions and conflicts outlive their nodes: no foreign keys.
CREATE TABLE history (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    node    INTEGER NOT NULL,
    path    TEXT NOT NULL,
    reason  TEXT NOT NULL,
    size    INTEGER NOT NULL CHECK (size >= 0),
    file    TEXT NOT NULL,
    kept_at INTEGER NOT NULL
) STRICT;
CREATE INDEX history_by_node ON history (node);

-- ours, theirs: which contents met, as far as each has a name: a revision, or the hash of bytes that had none yet.
-- strategy: what was done by itself; result: what became of it.
CREATE TABLE conflict (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    node        INTEGER NOT NULL,
    other       INTEGER,
    path        TEXT NOT NULL,
    what        TEXT NOT NULL,
    device      TEXT NOT NULL,
    found_at    INTEGER NOT NULL,
    resolved_at INTEGER,
    ours        TEXT,
    theirs      TEXT,
    strategy    TEXT NOT NULL DEFAULT '',
    result      TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX conflict_open ON conflict (id) WHERE resolved_at IS NULL;

-- What people decided about entries: overrides leave a trace.
CREATE TABLE decision (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    path   TEXT NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
