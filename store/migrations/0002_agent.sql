-- Connections and their queues: what the agent needs to go on after a crash at any point.

CREATE TABLE connections (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    state           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    agent_version   INTEGER NOT NULL,
    pq              INTEGER NOT NULL,
    private         BLOB,                          -- an initiator's keys, until the joiner's are there
    params          BLOB,                          -- a joiner's keys, until its confirmation is made
    info            BLOB,                          -- what a joiner tells with its confirmation
    ratchet         BLOB,
    sent_number     INTEGER NOT NULL DEFAULT 0,
    sent_hash       BLOB    NOT NULL DEFAULT x'',
    received_number INTEGER NOT NULL DEFAULT 0,
    received_hash   BLOB    NOT NULL DEFAULT x'',
    hello_received  INTEGER NOT NULL DEFAULT 0,
    hello_sent      INTEGER NOT NULL DEFAULT 0,
    sync            TEXT    NOT NULL DEFAULT 'ok', -- whether the ratchets of the two ends fit together
    created         INTEGER NOT NULL
) STRICT;

CREATE TABLE receive_queues (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    connection     INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    server         TEXT    NOT NULL,
    recipient_id   BLOB    NOT NULL,
    sender_id      BLOB    NOT NULL,
    mode           INTEGER NOT NULL,
    client_version INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    key            BLOB    NOT NULL,               -- authorizes our commands
    dh_secret      BLOB    NOT NULL,               -- shared with the relay
    e2e_key        BLOB    NOT NULL,               -- its public half is in the queue's address
    e2e_secret     BLOB,                           -- shared with the sender, once its confirmation came
    sender_key     BLOB,                           -- to be set with KEY, if the sender can't secure the queue
    last_message   BLOB    NOT NULL DEFAULT x'',   -- the relay's id of the last message that was stored
    replaces       INTEGER NOT NULL DEFAULT 0,     -- the queue in whose place it was made
    gap            INTEGER NOT NULL DEFAULT 0,     -- a missing number, which may be that of the test in a new queue
    link_id        BLOB,                           -- of a short link, with its key, the key that signs
    link_key       BLOB,                           -- its data, and the part of that that never changes
    link_root      BLOB,
    link_fixed     BLOB,
    UNIQUE (server, recipient_id)
) STRICT;
CREATE INDEX receive_queues_connection ON receive_queues (connection);

CREATE TABLE send_queues (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    connection     INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    server         TEXT    NOT NULL,
    sender_id      BLOB    NOT NULL,
    mode           INTEGER NOT NULL,
    client_version INTEGER NOT NULL,
    state          TEXT    NOT NULL,
    key            BLOB    NOT NULL,               -- secures the queue and authorizes our messages
    e2e_public     BLOB    NOT NULL,
    e2e_secret     BLOB    NOT NULL,
    replaces       INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX send_queues_connection ON send_queues (connection);

-- What is to be sent, encrypted already: a resent message has the same bytes.
CREATE TABLE outgoing (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    queue      INTEGER NOT NULL REFERENCES send_queues ON DELETE CASCADE,
    kind       TEXT    NOT NULL,
    reference  INTEGER NOT NULL DEFAULT 0,         -- the application's message, 0 if there is none
    notify     INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    created    INTEGER NOT NULL
) STRICT;
CREATE INDEX outgoing_queue ON outgoing (queue, id);
CREATE INDEX outgoing_connection ON outgoing (connection);

-- Numbers and hashes of what was sent, for the receipts that come back.
CREATE TABLE sent (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    hash       BLOB    NOT NULL,
    reference  INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (connection, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_created ON sent (created);

-- Hashes of what was received, to know a redelivery after the ratchet has moved on.
CREATE TABLE received (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    PRIMARY KEY (connection, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX received_created ON received (created);

-- Message keys of the ratchet that were skipped over.
CREATE TABLE skipped_keys (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    header_key BLOB    NOT NULL,
    number     INTEGER NOT NULL,
    key        BLOB    NOT NULL,
    seq        INTEGER NOT NULL,                   -- order of arrival: the oldest go first
    PRIMARY KEY (connection, header_key, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX skipped_keys_seq ON skipped_keys (connection, seq);

-- Queues of connections that are gone, still to be deleted on their relays.
CREATE TABLE deletions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    server       TEXT NOT NULL,
    recipient_id BLOB NOT NULL,
    key          BLOB NOT NULL
) STRICT;

-- Requests that were sent to addresses and not answered yet.
CREATE TABLE requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    link       TEXT    NOT NULL,
    created    INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_connection ON requests (connection);

-- One-time short links that were read and not joined yet.
CREATE TABLE previews (
    server    TEXT    NOT NULL,
    link_id   BLOB    NOT NULL,
    key       BLOB    NOT NULL,                    -- has secured the queue: no other can
    sender_id BLOB,
    fixed     BLOB,
    user      BLOB,
    created   INTEGER NOT NULL,
    PRIMARY KEY (server, link_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX previews_sender ON previews (server, sender_id);

-- Hashes of the keys with which ratchets were made again.
CREATE TABLE ratchet_keys (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    PRIMARY KEY (connection, hash)
) STRICT, WITHOUT ROWID;
