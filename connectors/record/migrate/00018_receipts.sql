-- Receipts that follow from the row of their InMail are not stored any more (R54). What a row does not say stays.

-- +goose Up
CREATE TABLE kept_receipts (
	inmail UUID NOT NULL,
	at     BIGINT NOT NULL,
	seq    INTEGER NOT NULL,
	status TEXT COLLATE "C" NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (inmail, seq)
) /*sqlite WITHOUT ROWID*/;
INSERT INTO kept_receipts (inmail, at, seq, status, reason)
SELECT r.inmail, r.at, r.seq, r.status, r.reason FROM receipts r LEFT JOIN inmails i ON i.id = r.inmail
WHERE i.id IS NULL OR NOT (
	r.status = 'queued' AND r.seq = 1 AND r.at = i.accepted_at AND r.reason = ''
	OR r.status IN ('refused', 'failed') AND r.status = i.status AND r.seq = 2 AND r.at = coalesce(i.ended_at, 0) AND r.reason = i.reason
	OR i.status NOT IN ('refused', 'failed') AND r.reason = '' AND (
		r.status = 'sent' AND r.seq = 2 AND r.at = coalesce(i.sent_at, 0)
		OR r.status = 'opened' AND r.seq = 3 AND r.at = coalesce(i.opened_at, 0)
		OR r.status = 'declined' AND r.at = coalesce(i.declined_at, 0)
			AND r.seq = i.seq - CASE WHEN i.status IN ('expired', 'retracted') THEN 1 ELSE 0 END
		OR r.status IN ('expired', 'retracted') AND r.status = i.status AND r.seq = i.seq AND r.at = coalesce(i.ended_at, 0)))
ORDER BY r.inmail, r.seq;
DROP TABLE receipts;
ALTER TABLE kept_receipts RENAME TO receipts /*postgres ; ALTER INDEX kept_receipts_pkey RENAME TO receipts_pkey*/;
