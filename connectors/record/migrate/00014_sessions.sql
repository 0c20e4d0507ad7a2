-- Who is signed in to the pages, and the one-time links that sign somebody in. Only hashes of their secrets are kept.

-- +goose Up
CREATE TABLE sessions (
	hash     BYTEA NOT NULL PRIMARY KEY,     -- SHA-256 of the secret
	link     BOOLEAN NOT NULL,               -- it begins a session and is none
	key_hash BYTEA NOT NULL,                 -- of the key that it acts by, with which it ends
	member   TEXT COLLATE "C" NOT NULL,      -- whom it acts as; '': an operator
	ends_at  BIGINT NOT NULL
);
CREATE INDEX sessions_ends ON sessions (ends_at);
CREATE INDEX sessions_member ON sessions (member);
