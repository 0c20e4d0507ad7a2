-- Several CRMs, each with links of its own (R67). Until now there was one, Salesforce, and what is of it moves under its name.

-- +goose Up

-- The CRMs that this record serves: every new InMail gets a link to each. One that was connected when there were InMails already is
-- linked to them in batches, by id.
CREATE TABLE crms (
	name      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	since     BIGINT NOT NULL,
	linked    BOOLEAN NOT NULL, -- every InMail has its link
	linked_to UUID              -- else those up to this one have
);

-- A record that never met Salesforce serves no CRM yet; one that did goes on as it was.
INSERT INTO crms (name, since, linked)
SELECT 'salesforce', coalesce((SELECT min(accepted_at) FROM inmails), 0), TRUE
WHERE EXISTS (SELECT 1 FROM crm_links) OR EXISTS (SELECT 1 FROM state WHERE substr(name, 1, 4) = 'crm_');

ALTER TABLE crm_links RENAME TO salesforce_links;

-- What a CRM has and lacks of an InMail (R53, R55).
CREATE TABLE crm_links (
	inmail         UUID NOT NULL,
	crm            TEXT COLLATE "C" NOT NULL,
	unsynced_at    BIGINT,          -- since when the CRM lacks something; NULL: it lacks nothing
	push_at        BIGINT,          -- when that is due; NULL: never by itself (in sync, or a dead letter)
	leased_until   BIGINT NOT NULL, -- 0: nobody is pushing it
	wanted_version BIGINT NOT NULL, -- of the InMail, when it was last claimed
	pushed_version BIGINT NOT NULL,
	pushed_seq     INTEGER NOT NULL, -- never goes back
	attempts       INTEGER NOT NULL,
	failed_at      BIGINT,
	dead           BOOLEAN NOT NULL,
	record_id      TEXT NOT NULL,
	match_state    TEXT NOT NULL,
	parents        TEXT NOT NULL, -- what the record hangs on there, a JSON object in the connector's words; '': nothing
	notes          TEXT NOT NULL, -- what the connector has done beside the record, likewise
	class          TEXT COLLATE "C" NOT NULL,
	detail         TEXT NOT NULL,
	PRIMARY KEY (inmail, crm)
) /*sqlite WITHOUT ROWID*/ /*postgres WITH (fillfactor = 85)*/;

INSERT INTO crm_links (inmail, crm, unsynced_at, push_at, leased_until, wanted_version, pushed_version, pushed_seq, attempts, failed_at,
	dead, record_id, match_state, parents, notes, class, detail)
SELECT i.id, c.name, i.unsynced_at, i.push_at, coalesce(l.leased_until, 0), coalesce(l.wanted_version, 0), coalesce(l.pushed_version, 0),
	coalesce(l.pushed_seq, 0), coalesce(l.attempts, 0), l.failed_at, coalesce(l.dead, FALSE), coalesce(l.record_id, ''),
	coalesce(l.match_state, ''),
	CASE WHEN coalesce(l.account_id, '') || coalesce(l.contact_id, '') || coalesce(l.lead_id, '') = '' THEN '' ELSE '{' || substr(
		CASE WHEN l.account_id <> '' THEN ',"account_id":"' || l.account_id || '"' ELSE '' END ||
		CASE WHEN l.contact_id <> '' THEN ',"contact_id":"' || l.contact_id || '"' ELSE '' END ||
		CASE WHEN l.lead_id <> '' THEN ',"lead_id":"' || l.lead_id || '"' ELSE '' END, 2) || '}' END,
	CASE WHEN l.sent_task = TRUE AND l.replied_task = TRUE THEN '{"replied_task":"there","sent_task":"there"}'
		WHEN l.sent_task = TRUE THEN '{"sent_task":"there"}' WHEN l.replied_task = TRUE THEN '{"replied_task":"there"}' ELSE '' END,
	coalesce(l.class, ''), coalesce(l.detail, '')
FROM inmails i CROSS JOIN crms c LEFT JOIN salesforce_links l ON l.inmail = i.id
ORDER BY i.id;
DROP TABLE salesforce_links;

CREATE INDEX crm_links_due ON crm_links (crm, push_at, unsynced_at) WHERE push_at IS NOT NULL;
CREATE INDEX crm_links_failed ON crm_links (crm, failed_at /*postgres , inmail*/) WHERE failed_at IS NOT NULL;
CREATE INDEX crm_links_dead ON crm_links (crm, class) WHERE dead = TRUE;

-- The ids of CRMs that a sender named: a JSON object by CRM; '': none.
ALTER TABLE inmails ADD COLUMN crm_ids TEXT NOT NULL DEFAULT '';
UPDATE inmails SET crm_ids = '{"salesforce":{' || substr(
		CASE WHEN account_id <> '' THEN ',"account_id":"' || account_id || '"' ELSE '' END ||
		CASE WHEN contact_id <> '' THEN ',"contact_id":"' || contact_id || '"' ELSE '' END ||
		CASE WHEN lead_id <> '' THEN ',"lead_id":"' || lead_id || '"' ELSE '' END, 2) || '}}'
WHERE account_id <> '' OR contact_id <> '' OR lead_id <> '';
DROP INDEX inmails_push;
ALTER TABLE inmails DROP COLUMN unsynced_at;
ALTER TABLE inmails DROP COLUMN push_at;
ALTER TABLE inmails DROP COLUMN lead_id;
ALTER TABLE inmails DROP COLUMN contact_id;
ALTER TABLE inmails DROP COLUMN account_id;

-- What a sync keeps under a name is each CRM's own. Leases of a program that is not there any more are none.
DELETE FROM state WHERE name = 'turns' OR name = 'leases' OR substr(name, 1, 5) = 'turn_' OR substr(name, 1, 6) = 'lease_';
UPDATE state SET name = 'crm:salesforce:own_' || substr(name, 5) WHERE name IN ('crm_reconcile', 'crm_backfill');
UPDATE state SET name = 'crm:salesforce:' || substr(name, 5) WHERE substr(name, 1, 4) = 'crm_';
UPDATE state SET name = 'crm:salesforce:forgetting' WHERE name = 'forgetting';
