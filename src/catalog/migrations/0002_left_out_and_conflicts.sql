-- Version 1 to 2: what a filter leaves out, what conflicts were about, what people decided.

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

ALTER TABLE conflict ADD COLUMN ours TEXT;
ALTER TABLE conflict ADD COLUMN theirs TEXT;
ALTER TABLE conflict ADD COLUMN strategy TEXT NOT NULL DEFAULT '';
ALTER TABLE conflict ADD COLUMN result TEXT NOT NULL DEFAULT '';

CREATE TABLE decision (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    path   TEXT NOT NULL,
    what   TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
