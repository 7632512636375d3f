-- Everyday conversations: replies, reactions, edits, deletions, disappearing messages, preferences, search.

ALTER TABLE contacts ADD COLUMN muted       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN pinned      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN archived    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN blocked     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN read        INTEGER NOT NULL DEFAULT 0;  -- the last item that was seen
ALTER TABLE contacts ADD COLUMN picture     TEXT    NOT NULL DEFAULT ''; -- as received; it is not in profile
ALTER TABLE contacts ADD COLUMN preferences BLOB    NOT NULL DEFAULT x''; -- JSON: ours for this contact, where they differ from the profile's
ALTER TABLE contacts ADD COLUMN tell        INTEGER NOT NULL DEFAULT 0;  -- what it was told of us may have changed

UPDATE contacts SET
    read = coalesce((SELECT id FROM (SELECT i.id, row_number() OVER (ORDER BY i.id DESC) AS n FROM items i
        WHERE i.contact = contacts.id AND NOT i.own AND i.kind IN ('text', 'unsupported')) WHERE n = contacts.unread + 1), 0),
    tell = state = 'connected';
UPDATE contacts SET picture = coalesce(profile ->> '$.image', ''), profile = CAST(json_remove(CAST(profile AS TEXT), '$.image') AS BLOB)
    WHERE length(profile) > 0 AND json_valid(CAST(profile AS TEXT));
CREATE INDEX contacts_tell ON contacts (id) WHERE tell;

ALTER TABLE items ADD COLUMN added         INTEGER NOT NULL DEFAULT 0;  -- the number of its first change,
ALTER TABLE items ADD COLUMN stated        INTEGER NOT NULL DEFAULT 0;  -- of the last change of its state,
ALTER TABLE items ADD COLUMN touched       INTEGER NOT NULL DEFAULT 0;  -- and of the last change of anything else
ALTER TABLE items ADD COLUMN forwarded     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN live          INTEGER NOT NULL DEFAULT 0;  -- it is still being written
ALTER TABLE items ADD COLUMN ttl           INTEGER NOT NULL DEFAULT 0;  -- seconds until it disappears, 0 for never,
ALTER TABLE items ADD COLUMN expires       INTEGER NOT NULL DEFAULT 0;  -- and when, 0 if that is not known yet
ALTER TABLE items ADD COLUMN deleted       INTEGER NOT NULL DEFAULT 0;  -- when its author took it back
ALTER TABLE items ADD COLUMN sent          INTEGER NOT NULL DEFAULT 0;  -- when the relay had it
ALTER TABLE items ADD COLUMN delivered     INTEGER NOT NULL DEFAULT 0;  -- when its receipt came
ALTER TABLE items ADD COLUMN route         TEXT    NOT NULL DEFAULT ''; -- how the relay was reached
ALTER TABLE items ADD COLUMN quote_item    INTEGER;                     -- what it answers, if that is here,
ALTER TABLE items ADD COLUMN quote_own     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN quote_content TEXT    NOT NULL DEFAULT ''; -- empty if it answers nothing
ALTER TABLE items ADD COLUMN quote_text    TEXT    NOT NULL DEFAULT '';
ALTER TABLE items ADD COLUMN file_name     TEXT    NOT NULL DEFAULT ''; -- empty if it has no file
ALTER TABLE items ADD COLUMN file_size     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE items ADD COLUMN duration      INTEGER NOT NULL DEFAULT 0;  -- seconds
ALTER TABLE items ADD COLUMN reactions     TEXT    NOT NULL DEFAULT ''; -- JSON, empty for none
ALTER TABLE items ADD COLUMN preview       BLOB;                        -- JSON: what is behind a link
ALTER TABLE items ADD COLUMN image         BLOB;                        -- a small preview picture
ALTER TABLE items ADD COLUMN body          BLOB;                        -- JSON: what is to be sent, until the relay has it

UPDATE items SET added = changed, stated = changed, touched = changed;
CREATE INDEX items_time    ON items (contact, time);
CREATE INDEX items_quote   ON items (quote_item)  WHERE quote_item IS NOT NULL;
CREATE INDEX items_expires ON items (expires)     WHERE expires > 0;
CREATE INDEX items_timed   ON items (contact, id) WHERE ttl > 0 AND expires = 0;
CREATE INDEX items_live    ON items (id)          WHERE live AND own;

-- The texts that messages had before they were edited.
CREATE TABLE editions (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    item     INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    text     TEXT    NOT NULL,
    replaced INTEGER NOT NULL                      -- when it was edited
) STRICT;
CREATE INDEX editions_item ON editions (item, id);

-- Messages that were removed here: what comes later about them has no effect.
CREATE TABLE removed (
    contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    shared  BLOB    NOT NULL,
    time    INTEGER NOT NULL,                      -- when they were removed
    PRIMARY KEY (contact, shared)
) STRICT, WITHOUT ROWID;
CREATE INDEX removed_time ON removed (time);

-- The words of messages, as search_words makes them, by the id of the item.
CREATE VIRTUAL TABLE search USING fts5 (contact, text, columnsize = 0, prefix = '1 2 3',
    tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M* S* Co'");
INSERT INTO search (search, rank) VALUES ('secure-delete', 1); -- what is deleted is not kept until some later merge,
INSERT INTO search (search, rank) VALUES ('usermerge', 2);     -- and one that is asked for leaves no part out
CREATE TRIGGER items_search AFTER DELETE ON items BEGIN
    DELETE FROM search WHERE rowid = old.id;
END;
INSERT INTO search (rowid, contact, text)
    SELECT id, contact, search_words(text) FROM items WHERE kind IN ('text', 'unsupported') AND text <> '' ORDER BY id;
