-- Declining (R63), automatic replies (R64), a recipient's peace (R65), and keys that bind only what was accepted (R28).

-- +goose Up
ALTER TABLE inmails ADD COLUMN declined_at BIGINT;
ALTER TABLE inmails ADD COLUMN credited_at BIGINT;                   -- when its credit came back (R11); NULL: it did not
ALTER TABLE inmails ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0; -- automatic replies, which replies does not count
CREATE INDEX inmails_declined ON inmails (sender, recipient, declined_at) WHERE declined_at IS NOT NULL;
ALTER TABLE texts ADD COLUMN decline_reason TEXT NOT NULL DEFAULT '';

ALTER TABLE replies ADD COLUMN automatic BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE members ADD COLUMN max_week BIGINT NOT NULL DEFAULT 0; -- InMails in 7 days that the member wants at most; 0: it has not said

-- A refusal binds no key, and a key is kept for a time.
DELETE FROM answers WHERE inmail IS NULL;
CREATE INDEX answers_oldest ON answers (at);
