-- Keys and digests of first answers are bytes, half as many, and no index has their times: a pass by key drops the old ones (R28).
-- A key that is no SHA-256 in hexadecimal digits was never asked for, and is left behind.

-- +goose Up
CREATE TABLE kept_answers (
	at     BIGINT NOT NULL,
	inmail UUID,
	sender TEXT COLLATE "C" NOT NULL,
	key    BYTEA NOT NULL, -- of the sender's key the first 16 bytes of its SHA-256
	digest BYTEA NOT NULL, -- of the request, likewise
	body   BYTEA NOT NULL,
	PRIMARY KEY (sender, key)
) /*sqlite WITHOUT ROWID*/;
INSERT INTO kept_answers (at, inmail, sender, key, digest, body)
SELECT at, inmail, sender, /*postgres decode(substr(key, 1, 32), 'hex'),*/ /*sqlite unhex(substr(key, 1, 32)),*/ substr(digest, 1, 16), body
FROM answers WHERE length(key) = 64 AND /*postgres key ~ '^[0-9a-f]*$'*/ /*sqlite key NOT GLOB '*[^0-9a-f]*'*/
ORDER BY sender, key;
DROP TABLE answers;
ALTER TABLE kept_answers RENAME TO answers /*postgres ; ALTER INDEX kept_answers_pkey RENAME TO answers_pkey*/;
