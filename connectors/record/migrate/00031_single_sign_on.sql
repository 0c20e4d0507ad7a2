-- A session may be of a person whom a provider of single sign-on identified, instead of a key.

-- +goose Up
ALTER TABLE sessions ADD COLUMN person      TEXT NOT NULL DEFAULT ''; -- the id in the audit; '': it acts by a key
ALTER TABLE sessions ADD COLUMN person_name TEXT NOT NULL DEFAULT ''; -- who identified the person
ALTER TABLE sessions ADD COLUMN read_only   BOOLEAN NOT NULL DEFAULT FALSE;
