-- A send writes fewer bytes: indexes have no more than they are read for, a new link has nothing in what is not known of it, and
-- events of one transaction share a row.

-- +goose Up

-- What waits of a sender is bounded by its allowance.
DROP INDEX waiting_sender;
CREATE INDEX waiting_sender ON waiting (sender);

-- What stands for a CRM in its links: its name, where it was connected before; else a number.
ALTER TABLE crms ADD COLUMN code TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE crms SET code = name;
CREATE UNIQUE INDEX crms_code ON crms (code);

-- Who lists InMails sorts those of one millisecond by id.
/*postgres DROP INDEX inmails_sender;*/
/*postgres CREATE INDEX inmails_sender ON inmails (sender, accepted_at);*/
/*postgres DROP INDEX inmails_recipient;*/
/*postgres CREATE INDEX inmails_recipient ON inmails (recipient, in_inbox, sent_at);*/

-- NULL takes no space on PostgreSQL: what is not known yet of a link, and answers that there are none of.
/*postgres ALTER TABLE inmails ALTER COLUMN replies DROP NOT NULL, ALTER COLUMN automatic DROP NOT NULL, ALTER COLUMN automatic DROP DEFAULT;*/
/*postgres ALTER TABLE crm_links ALTER COLUMN leased_until DROP NOT NULL, ALTER COLUMN wanted_version DROP NOT NULL,
	ALTER COLUMN pushed_version DROP NOT NULL, ALTER COLUMN pushed_seq DROP NOT NULL, ALTER COLUMN attempts DROP NOT NULL,
	ALTER COLUMN dead DROP NOT NULL, ALTER COLUMN record_id DROP NOT NULL, ALTER COLUMN match_state DROP NOT NULL,
	ALTER COLUMN parents DROP NOT NULL, ALTER COLUMN notes DROP NOT NULL, ALTER COLUMN class DROP NOT NULL,
	ALTER COLUMN detail DROP NOT NULL, ALTER COLUMN failures DROP NOT NULL, ALTER COLUMN failures DROP DEFAULT,
	ALTER COLUMN chosen DROP NOT NULL, ALTER COLUMN chosen DROP DEFAULT;*/

-- Several events, where the row has more than one; its position is that of the last.
ALTER TABLE events ADD COLUMN packed BYTEA;
