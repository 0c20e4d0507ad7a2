-- The filter learns from a report when others are like it (R44): which have taught it, and the newest to look at. An operator reads
-- the decisions on one sender, newest first.

-- +goose Up
ALTER TABLE reports ADD COLUMN taught BOOLEAN NOT NULL DEFAULT FALSE; -- the filter has learned from it
UPDATE reports SET taught = TRUE; -- until now each did at once
CREATE INDEX reports_newest ON reports (at);
DROP INDEX audit_sender;
CREATE INDEX audit_sender ON audit (sender, at /*postgres , id*/) WHERE sender <> '';
