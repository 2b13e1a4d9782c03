-- Version 0 (nothing) to 1. Frozen.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
    id   INTEGER PRIMARY KEY CHECK (id > 0),
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3)
) STRICT;

CREATE TRIGGER node_kind_is_for_life BEFORE UPDATE ON node
BEGIN
    SELECT RAISE(ABORT, 'a node never changes its id or kind');
END;

CREATE TABLE placed (
    aside INTEGER PRIMARY KEY CHECK (aside = 0)
) STRICT;
INSERT INTO placed (aside) VALUES (0);

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

CREATE TABLE dirty (
    node    INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE,
    touched INTEGER NOT NULL
) STRICT;

CREATE TABLE arriving (
    node INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE
) STRICT;

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

CREATE TABLE feed (
    id        INTEGER PRIMARY KEY CHECK (id = 0),
    cursor    TEXT,
    last_full INTEGER,
    last_pull INTEGER
) STRICT;
INSERT INTO feed (id) VALUES (0);

CREATE TABLE xattr (
    ino   INTEGER NOT NULL,
    name  BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    node INTEGER PRIMARY KEY REFERENCES node (id),
    what TEXT NOT NULL
) STRICT;

CREATE TABLE certain (
    rid TEXT NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pin (
    node INTEGER PRIMARY KEY REFERENCES node (id) ON DELETE CASCADE
) STRICT;

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

CREATE TABLE conflict (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    node        INTEGER NOT NULL,
    other       INTEGER,
    path        TEXT NOT NULL,
    what        TEXT NOT NULL,
    device      TEXT NOT NULL,
    found_at    INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;
CREATE INDEX conflict_open ON conflict (id) WHERE resolved_at IS NULL;
