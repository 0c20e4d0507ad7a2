-- What waits for its delivery has a table of its own, and an InMail is stored in inmails once, when it was decided (R21).

-- +goose Up

-- Queued InMails: what their judging needs. Their times, receipt and state follow from accepted_at.
CREATE TABLE waiting (
	id           UUID NOT NULL PRIMARY KEY,
	accepted_at  BIGINT NOT NULL,
	version      BIGINT NOT NULL,
	words        INTEGER NOT NULL,
	sender       TEXT COLLATE "C" NOT NULL,
	recipient    TEXT COLLATE "C" NOT NULL,
	account_type TEXT NOT NULL,
	category     TEXT NOT NULL,
	tags         TEXT NOT NULL,
	advice       TEXT NOT NULL,
	crm_ids      TEXT NOT NULL
) /*sqlite WITHOUT ROWID*/ /*postgres WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)*/;
CREATE INDEX waiting_sender ON waiting (sender, accepted_at /*postgres , id*/);
CREATE INDEX waiting_recipient ON waiting (recipient);
INSERT INTO waiting (id, accepted_at, version, words, sender, recipient, account_type, category, tags, advice, crm_ids)
SELECT id, accepted_at, version, words, sender, recipient, account_type, category, tags, advice, crm_ids
FROM inmails WHERE status = 'queued' ORDER BY id;
DELETE FROM inmails WHERE status = 'queued';
DROP INDEX inmails_queued;
DROP INDEX inmails_pair;
CREATE INDEX inmails_pair ON inmails (sender, recipient) WHERE status IN ('sent', 'opened');
