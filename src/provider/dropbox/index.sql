-- Which folder is at which path, now and since the places of the feed that may still be continued.
CREATE TABLE folders (path TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX folders_by_id ON folders (id);
-- `id` was at `path` until the change numbered `seq`.
CREATE TABLE past (path TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (path, seq, id)) STRICT, WITHOUT ROWID;
-- Places of the feed that were given out, with the number of the last change before each.
CREATE TABLE cursors (cursor TEXT PRIMARY KEY, seq INTEGER NOT NULL, given INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('seq', 0);
