-- Files of messages: what is on its way, and what is here.

ALTER TABLE items ADD COLUMN file_state   TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN file_failure TEXT NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN file_relay   TEXT NOT NULL DEFAULT ''; -- the host of the relay that has failed

CREATE TABLE files (
    item        INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    description TEXT    NOT NULL DEFAULT '',       -- as much of it as has come
    part        INTEGER NOT NULL DEFAULT 0,        -- the number of its last part that has,
    complete    INTEGER NOT NULL DEFAULT 0,        -- which was the last of all
    any_relay   INTEGER NOT NULL DEFAULT 0,        -- it may be downloaded from relays that are not known
    save_to     TEXT    NOT NULL DEFAULT '',       -- where a copy is to be put when it is here
    work        TEXT    NOT NULL DEFAULT '',       -- the name of the file that is encrypted for its recipient
    upload      BLOB,                              -- what is known of that
    blob        TEXT    NOT NULL DEFAULT '',       -- the name of the file as it is kept here,
    blob_key    BLOB,                              -- with its key
    blob_size   INTEGER NOT NULL DEFAULT 0         -- and the bytes of its content
) STRICT;

CREATE TABLE file_chunks (
    item  INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    chunk INTEGER NOT NULL,
    state BLOB    NOT NULL,
    PRIMARY KEY (item, chunk)
) STRICT, WITHOUT ROWID;

-- Names of files on disk that nothing needs any more.
CREATE TABLE file_litter (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER files_deleted AFTER DELETE ON files BEGIN
    INSERT OR IGNORE INTO file_litter (name) SELECT old.blob WHERE old.blob <> '';
    INSERT OR IGNORE INTO file_litter (name) SELECT old.work WHERE old.work <> '';
END;
CREATE TRIGGER files_blob AFTER UPDATE OF blob ON files WHEN old.blob <> '' AND old.blob <> new.blob BEGIN
    INSERT OR IGNORE INTO file_litter (name) VALUES (old.blob);
END;
CREATE TRIGGER files_work AFTER UPDATE OF work ON files WHEN old.work <> '' AND old.work <> new.work BEGIN
    INSERT OR IGNORE INTO file_litter (name) VALUES (old.work);
END;

CREATE INDEX items_files ON items (contact, id) WHERE file_name <> '';
CREATE INDEX items_file_state ON items (file_state) WHERE file_state NOT IN ('', 'done');
