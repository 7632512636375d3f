-- What else was being written to a contact.
ALTER TABLE contacts ADD COLUMN draft_reply  INTEGER NOT NULL DEFAULT 0;  -- the item that draft answers, 0 for none
ALTER TABLE contacts ADD COLUMN draft_edit   INTEGER NOT NULL DEFAULT 0;  -- the item whose text is being changed, 0 for none
ALTER TABLE contacts ADD COLUMN draft_edited TEXT    NOT NULL DEFAULT ''; -- that text, as far as it was changed
