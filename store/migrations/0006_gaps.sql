-- Since when a message is missing that may be the test in a new queue.
ALTER TABLE receive_queues ADD COLUMN gap_since INTEGER NOT NULL DEFAULT 0;
