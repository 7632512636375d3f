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
    link        TEXT    NOT NULL DEFAULT '',       -- our invitation, until somebody opens it,
    full_link   TEXT    NOT NULL DEFAULT '',       -- and the form of it that needs no relay
    draft       TEXT    NOT NULL DEFAULT '',
    unread      INTEGER NOT NULL DEFAULT 0,
    avatar      INTEGER NOT NULL,                  -- random: the colour of its avatar
    created     INTEGER NOT NULL,
    active      INTEGER NOT NULL,                  -- the last time that something was said
    receipts    INTEGER NOT NULL DEFAULT 1,        -- it is told that its messages were received
    incognito   TEXT    NOT NULL DEFAULT '',       -- our name for it, if that is not the profile's
    told        TEXT    NOT NULL DEFAULT '',       -- our name as it was told last
    verified    INTEGER NOT NULL DEFAULT 0,        -- when the codes were compared, 0 for never
    opened_server TEXT  NOT NULL DEFAULT '',       -- the queue of the link that was opened,
    opened_sender BLOB  NOT NULL DEFAULT x'',
    opened_key    BLOB  NOT NULL DEFAULT x'',      -- and the link's key if it was a short one
    request     BLOB,                              -- the id of the request that it came from
    greet       INTEGER NOT NULL DEFAULT 0,        -- the greeting is still to be sent,
    greet_id    BLOB                               -- as the message with this id, if it has one already
) STRICT;
CREATE INDEX contacts_active ON contacts (active, id);
CREATE INDEX contacts_opened_sender ON contacts (opened_sender) WHERE opened_sender <> x'';
CREATE INDEX contacts_opened_key ON contacts (opened_key) WHERE opened_key <> x'';
CREATE INDEX contacts_request ON contacts (request) WHERE request IS NOT NULL;

-- The address at which anybody can ask to be connected.
CREATE TABLE address (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    connection  INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    link        TEXT    NOT NULL,
    full_link   TEXT    NOT NULL,
    greeting    TEXT    NOT NULL DEFAULT '',
    auto_accept INTEGER NOT NULL DEFAULT 0,
    incognito   INTEGER NOT NULL DEFAULT 0,        -- of what is accepted automatically
    failure     TEXT    NOT NULL DEFAULT '',
    published   INTEGER NOT NULL DEFAULT 1,        -- the relay has what the link is to show
    created     INTEGER NOT NULL
) STRICT;

-- Who asks to be connected.
CREATE TABLE contact_requests (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    request INTEGER NOT NULL UNIQUE REFERENCES requests ON DELETE CASCADE, -- as the agent keeps it
    shared  BLOB    NOT NULL UNIQUE,               -- by which it is known if it comes again
    name    TEXT    NOT NULL,                      -- fit to be shown
    info    BLOB    NOT NULL,                      -- as received
    avatar  INTEGER NOT NULL,                      -- random
    auto    INTEGER NOT NULL,                      -- it is about to be accepted, without being asked for
    created INTEGER NOT NULL
) STRICT;

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
