-- A member has one restriction at most that holds or was the last to hold (R42): the schema keeps it so, whatever the clocks say.

-- +goose Up
ALTER TABLE restrictions ADD COLUMN latest BOOLEAN NOT NULL DEFAULT FALSE; -- no other began after it, and nobody has undone it
UPDATE restrictions SET latest = TRUE WHERE undone_at IS NULL AND NOT EXISTS (SELECT 1 FROM restrictions o
	WHERE o.member = restrictions.member AND o.undone_at IS NULL AND (o.until > restrictions.until OR o.until = restrictions.until AND o.id > restrictions.id));
CREATE UNIQUE INDEX restrictions_latest ON restrictions (member) WHERE latest = TRUE;
