-- Conversations: who one talks with, and what was said.

CREATE TABLE contacts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    connection  INTEGER UNIQUE REFERENCES connections ON DELETE SET NULL,
    state       TEXT    NOT NULL,
    failure     TEXT    NOT NULL DEFAULT '',       -- why it failed, if it did
    name        TEXT    NOT NULL DEFAULT '',       -- as the peer calls itself, fit to be shown
    alias       TEXT    NOT NULL DEFAULT '',       -- as it is called here
    profile     BLOB    NOT NULL DEFAULT x'',      -- JSON, as received
    version_min INTEGER NOT NULL DEFAULT 1,        -- the chat versions of the peer
    version_max INTEGER NOT NULL DEFAULT 1,
    link        TEXT    NOT NULL DEFAULT '',       -- our invitation, until somebody opens it
    draft       TEXT    NOT NULL DEFAULT '',
    unread      INTEGER NOT NULL DEFAULT 0,
    avatar      INTEGER NOT NULL,                  -- random: the colour of its avatar
    created     INTEGER NOT NULL,
    active      INTEGER NOT NULL                   -- the last time that something was said
) STRICT;
CREATE INDEX contacts_active ON contacts (active, id);

CREATE TABLE items (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,     -- in the order of the conversation
    contact INTEGER NOT NULL REFERENCES contacts ON DELETE CASCADE,
    own     INTEGER NOT NULL,
    shared  BLOB,                                  -- the id that both sides know, if it has one
    kind    TEXT    NOT NULL,
    content TEXT    NOT NULL DEFAULT '',           -- the type or the event, of what is not understood
    text    TEXT    NOT NULL DEFAULT '',
    count   INTEGER NOT NULL DEFAULT 0,            -- of messages that a notice is about
    raw     BLOB,                                  -- the JSON of what is not understood
    edited  INTEGER NOT NULL DEFAULT 0,
    state   TEXT    NOT NULL,
    failure TEXT    NOT NULL DEFAULT '',
    time    INTEGER NOT NULL,                      -- when the relay got it, or it was written here
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,                      -- the number of its last change in item_changes
    UNIQUE (contact, own, shared)
) STRICT;
CREATE INDEX items_contact ON items (contact, id);
CREATE UNIQUE INDEX items_changed ON items (changed);

-- Counts all changes of items, so that a reader can ask for those since the last it has seen.
CREATE TABLE item_changes (last INTEGER NOT NULL) STRICT;
INSERT INTO item_changes (last) VALUES (0);
