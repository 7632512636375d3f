-- Chunks of files that are still to be deleted from their relays.
CREATE TABLE file_deletions (
    id      INTEGER PRIMARY KEY,
    item    INTEGER NOT NULL,        -- whose file it was, and which need not be there any more
    replica TEXT    NOT NULL UNIQUE, -- the relay, and the id and the key there
    created INTEGER NOT NULL         -- in milliseconds
) STRICT;
CREATE INDEX file_deletions_created ON file_deletions (created);
