-- Where the record was last worked on, so that a copy of it is noticed (R61): one row, made by the first program that opens it.

-- +goose Up
CREATE TABLE instance (
	id      INTEGER NOT NULL PRIMARY KEY,
	place   TEXT NOT NULL,   -- which file it was, or which database of which server: a JSON object
	beat    BIGINT NOT NULL, -- how often that was noted
	beat_at BIGINT NOT NULL  -- when, last
) /*postgres WITH (fillfactor = 50)*/;
