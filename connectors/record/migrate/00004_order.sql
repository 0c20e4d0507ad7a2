-- A member has one restriction at most that holds or was the last to hold (R42): the schema keeps it so, whatever the clocks say.

-- +goose Up
ALTER TABLE restrictions ADD COLUMN latest BOOLEAN NOT NULL DEFAULT FALSE; -- no other began after it, and nobody has undone it
UPDATE restrictions SET latest = TRUE WHERE undone_at IS NULL AND NOT EXISTS (SELECT 1 FROM restrictions o
	WHERE o.member = restrictions.member AND o.undone_at IS NULL AND (o.until > restrictions.until OR o.until = restrictions.until AND o.id > restrictions.id));
CREATE UNIQUE INDEX restrictions_latest ON restrictions (member) WHERE latest = TRUE;

-- The record's time, as far as it was given out: one row. The README of this folder says how it is read.
CREATE TABLE clock (
	id           INTEGER NOT NULL PRIMARY KEY,
	seen         BIGINT NOT NULL, -- this time was given out
	reserved     BIGINT NOT NULL, -- no later one was, before seen is moved on
	set_back_at  BIGINT NOT NULL, -- what the clock showed when it was last found set back; 0: it never was
	went_on_from BIGINT NOT NULL  -- the record's time then
) /*postgres WITH (fillfactor = 50)*/;
INSERT INTO clock (id, seen, reserved, set_back_at, went_on_from) VALUES (1, 0, 0, 0, 0);
