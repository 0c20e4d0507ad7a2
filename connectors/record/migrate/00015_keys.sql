-- A key may have a name, an end and no right to change anything; who made it and when it was last used are known.

-- +goose Up
ALTER TABLE keys ADD COLUMN name         TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN expires_at   BIGINT NOT NULL DEFAULT 0; -- 0: never
ALTER TABLE keys ADD COLUMN read_only    BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE keys ADD COLUMN created_by   TEXT NOT NULL DEFAULT ''; -- the id of the key that made it
ALTER TABLE keys ADD COLUMN last_used_at BIGINT NOT NULL DEFAULT 0; -- to the minute; 0: never
