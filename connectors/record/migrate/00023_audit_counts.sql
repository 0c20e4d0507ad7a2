-- Many refusals of one minute are one entry of the audit with a count, and so are many reads of an operator (R70).

-- +goose Up
ALTER TABLE audit ADD COLUMN count   BIGINT NOT NULL DEFAULT 1; -- how many it stands for
ALTER TABLE audit ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0; -- when the last of them was; 0: at
ALTER TABLE audit ADD COLUMN same    TEXT COLLATE "C" NOT NULL DEFAULT ''; -- entries of one such value are one; '': it stands alone
CREATE UNIQUE INDEX audit_same ON audit (same) WHERE same <> '';
