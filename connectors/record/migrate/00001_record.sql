-- The record of InMail: one schema for PostgreSQL and SQLite, written in PostgreSQL's words. dialect.go
-- says how SQLite reads it; what only one engine understands stands in a comment with its name.
-- Times are milliseconds since 1970, UTC; NULL is "not yet". Texts that are not there are ''.

-- +goose Up

-- People, with the account that InMails are paid from.
CREATE TABLE members (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	name            TEXT NOT NULL,
	headline        TEXT NOT NULL,
	photo_url       TEXT NOT NULL,
	company         TEXT NOT NULL,
	email           TEXT NOT NULL,
	profile_shared  BOOLEAN NOT NULL,
	profile_visible BOOLEAN NOT NULL,
	accepts_inmail  BOOLEAN NOT NULL,
	account_type    TEXT NOT NULL,
	plan            TEXT NOT NULL,
	anchor_day      BIGINT NOT NULL, -- 0: the policy's (R08)
	team            TEXT NOT NULL,
	skills          TEXT NOT NULL,   -- a JSON array
	created_at      BIGINT NOT NULL
);

-- Which allowance an account had from when on (R07, R09).
CREATE TABLE allowances (
	member    TEXT COLLATE "C" NOT NULL,
	since     BIGINT NOT NULL,
	allowance BIGINT NOT NULL,
	PRIMARY KEY (member, since)
) /*sqlite WITHOUT ROWID*/;

-- What an account did with its credits in one period (R08, R10, R11).
CREATE TABLE credits (
	member       TEXT COLLATE "C" NOT NULL,
	period_start BIGINT NOT NULL,
	used         BIGINT NOT NULL,
	returned     BIGINT NOT NULL,
	PRIMARY KEY (member, period_start)
) /*sqlite WITHOUT ROWID*/ /*postgres WITH (fillfactor = 70)*/;

-- 1st-degree connections: both directions of each (R12).
CREATE TABLE connections (
	a TEXT COLLATE "C" NOT NULL,
	b TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (a, b)
) /*sqlite WITHOUT ROWID*/;

-- Who blocks whom (R16).
CREATE TABLE blocks (
	who  TEXT COLLATE "C" NOT NULL,
	whom TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (who, whom)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX blocks_whom ON blocks (whom);

-- The platform's list of whom nobody may InMail (R17): folded is how companies are compared.
CREATE TABLE banned (
	kind    TEXT COLLATE "C" NOT NULL,
	folded  TEXT COLLATE "C" NOT NULL,
	value   TEXT COLLATE "C" NOT NULL,
	reason  TEXT NOT NULL,
	made_by TEXT NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (kind, folded)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX banned_newest ON banned (at);

-- Who may call: the key itself is not kept, only its SHA-256.
CREATE TABLE keys (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	hash       BYTEA NOT NULL UNIQUE,
	role       TEXT NOT NULL,
	member     TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX keys_newest ON keys (created_at /*postgres , id*/);
CREATE INDEX keys_member ON keys (member) WHERE member <> '';

-- An index of a list ends with the id on PostgreSQL: without it, it takes a member's whole list and sorts it, where SQLite
-- sorts those of one millisecond.

-- InMails. tags is framed by line feeds, so that '\nhot\n' is found in it; advice is words with blanks between.
CREATE TABLE inmails (
	id           UUID NOT NULL PRIMARY KEY,
	accepted_at  BIGINT NOT NULL,
	sent_at      BIGINT, -- T0
	expires_at   BIGINT, -- T0 + 168 h
	previewed_at BIGINT,
	opened_at    BIGINT,
	replied_at   BIGINT,
	ended_at     BIGINT,
	unsynced_at  BIGINT, -- since when Salesforce lacks something; NULL: it lacks nothing
	push_at      BIGINT, -- when that is due; NULL: never by itself (in sync, or a dead letter)
	version      BIGINT NOT NULL,
	seq          INTEGER NOT NULL,
	replies      INTEGER NOT NULL,
	words        INTEGER NOT NULL,
	undone       BOOLEAN NOT NULL,
	in_inbox     BOOLEAN NOT NULL, -- sent, opened or replied: listed unless the clock has expired it
	sender       TEXT COLLATE "C" NOT NULL,
	recipient    TEXT COLLATE "C" NOT NULL,
	status       TEXT COLLATE "C" NOT NULL,
	reason       TEXT NOT NULL,
	account_type TEXT NOT NULL,
	category     TEXT NOT NULL,
	tags         TEXT NOT NULL,
	advice       TEXT NOT NULL,
	lead_id      TEXT NOT NULL,
	contact_id   TEXT NOT NULL,
	account_id   TEXT NOT NULL
) /*postgres WITH (fillfactor = 85)*/;
CREATE INDEX inmails_sender ON inmails (sender, accepted_at /*postgres , id*/);
CREATE INDEX inmails_recipient ON inmails (recipient, in_inbox, sent_at /*postgres , id*/);
CREATE INDEX inmails_pair ON inmails (sender, recipient, status) WHERE status IN ('queued', 'sent', 'opened');
CREATE INDEX inmails_queued ON inmails (accepted_at) WHERE status = 'queued';
CREATE INDEX inmails_expiring ON inmails (expires_at) WHERE status = 'sent';
CREATE INDEX inmails_push ON inmails (push_at, unsynced_at) WHERE push_at IS NOT NULL;

-- The texts of each InMail, apart from it: a state changes many times, and a new version of its row should not carry them.
CREATE TABLE texts (
	inmail  UUID NOT NULL PRIMARY KEY,
	subject TEXT NOT NULL,
	preview TEXT NOT NULL,
	body    TEXT NOT NULL -- the source, as it was sent (R24)
);

-- Receipts are only ever added (R54).
CREATE TABLE receipts (
	inmail UUID NOT NULL,
	at     BIGINT NOT NULL,
	seq    INTEGER NOT NULL,
	status TEXT COLLATE "C" NOT NULL,
	reason TEXT NOT NULL,
	PRIMARY KEY (inmail, seq)
) /*sqlite WITHOUT ROWID*/;

-- The conversation that follows (R39, R40).
CREATE TABLE replies (
	id          UUID NOT NULL PRIMARY KEY,
	inmail      UUID NOT NULL,
	at          BIGINT NOT NULL,
	read_at     BIGINT,
	from_member TEXT COLLATE "C" NOT NULL,
	to_member   TEXT COLLATE "C" NOT NULL,
	body        TEXT NOT NULL
);
CREATE INDEX replies_conversation ON replies (inmail, at /*postgres , id*/);
CREATE INDEX replies_to ON replies (to_member, at /*postgres , id*/);
CREATE INDEX replies_unread ON replies (to_member) WHERE read_at IS NULL;

-- The first answer under an idempotency key (R28).
CREATE TABLE answers (
	sender TEXT COLLATE "C" NOT NULL,
	key    TEXT COLLATE "C" NOT NULL,
	digest BYTEA NOT NULL,
	inmail UUID,
	body   BYTEA NOT NULL,
	at     BIGINT NOT NULL,
	PRIMARY KEY (sender, key)
) /*sqlite WITHOUT ROWID*/;

-- What Salesforce has of an InMail; the row is made when the InMail is first claimed (R53, R55).
CREATE TABLE crm_links (
	inmail         UUID NOT NULL PRIMARY KEY,
	leased_until   BIGINT NOT NULL, -- 0: nobody is pushing it
	wanted_version BIGINT NOT NULL, -- of the InMail, when it was last claimed
	pushed_version BIGINT NOT NULL,
	pushed_seq     INTEGER NOT NULL, -- never goes back
	attempts       INTEGER NOT NULL,
	failed_at      BIGINT,
	sent_task      BOOLEAN NOT NULL,
	replied_task   BOOLEAN NOT NULL,
	dead           BOOLEAN NOT NULL,
	record_id      TEXT NOT NULL,
	match_state    TEXT NOT NULL,
	lead_id        TEXT NOT NULL,
	contact_id     TEXT NOT NULL,
	account_id     TEXT NOT NULL,
	class          TEXT COLLATE "C" NOT NULL,
	detail         TEXT NOT NULL
) /*postgres WITH (fillfactor = 85)*/;
CREATE INDEX crm_links_failed ON crm_links (failed_at /*postgres , inmail*/) WHERE failed_at IS NOT NULL;
CREATE INDEX crm_links_dead ON crm_links (class) WHERE dead = TRUE;

-- Counts move in the transaction that moves the InMail, and outlive erasure (R59, R60). The shards of one
-- count are added up when it is read.
CREATE TABLE counts (
	dimension TEXT COLLATE "C" NOT NULL,
	cohort    TEXT COLLATE "C" NOT NULL,
	key       TEXT COLLATE "C" NOT NULL,
	outcome   TEXT COLLATE "C" NOT NULL,
	shard     INTEGER NOT NULL,
	n         BIGINT NOT NULL,
	PRIMARY KEY (dimension, cohort, key, outcome, shard)
) /*sqlite WITHOUT ROWID*/ /*postgres WITH (fillfactor = 50)*/;
CREATE INDEX counts_key ON counts (key) WHERE dimension = 'sender';

-- The last computed figures, one row.
CREATE TABLE snapshots (
	id     INTEGER NOT NULL PRIMARY KEY,
	at     BIGINT NOT NULL,
	figures BYTEA NOT NULL
);

-- Small named values: pause of the sync, drift, progress.
CREATE TABLE state (
	name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	value BYTEA NOT NULL
);

-- What the filter and its restrictions live on (R41 to R44).
CREATE TABLE fingerprints (
	sender      TEXT COLLATE "C" NOT NULL,
	at          BIGINT NOT NULL,
	fingerprint BYTEA NOT NULL
);
CREATE INDEX fingerprints_sender ON fingerprints (sender, at);
CREATE INDEX fingerprints_oldest ON fingerprints (at);

CREATE TABLE strikes (
	member TEXT COLLATE "C" NOT NULL,
	at     BIGINT NOT NULL
);
CREATE INDEX strikes_member ON strikes (member, at);

CREATE TABLE restrictions (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	member       TEXT COLLATE "C" NOT NULL,
	started_at   BIGINT NOT NULL,
	until        BIGINT NOT NULL,
	undone_at    BIGINT,
	step         INTEGER NOT NULL,
	trigger_name TEXT NOT NULL,
	value        DOUBLE PRECISION NOT NULL, -- what was measured
	bound        DOUBLE PRECISION NOT NULL  -- the limit that it passed
);
CREATE INDEX restrictions_member ON restrictions (member, started_at);
CREATE INDEX restrictions_holding ON restrictions (until) WHERE undone_at IS NULL;

CREATE TABLE reports (
	inmail   UUID NOT NULL PRIMARY KEY,
	sender   TEXT COLLATE "C" NOT NULL,
	reporter TEXT COLLATE "C" NOT NULL,
	at       BIGINT NOT NULL,
	reason   TEXT NOT NULL
);
CREATE INDEX reports_sender ON reports (sender, at);
CREATE INDEX reports_reporter ON reports (reporter);

-- The audit: decisions, with every true code (R18, R21, R43).
CREATE TABLE audit (
	id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	at        BIGINT NOT NULL,
	kind      TEXT NOT NULL,
	inmail    UUID,
	sender    TEXT COLLATE "C" NOT NULL,
	recipient TEXT COLLATE "C" NOT NULL,
	refusals  TEXT NOT NULL, -- codes with blanks between
	made_by   TEXT NOT NULL,
	detail    BYTEA NOT NULL
);
CREATE INDEX audit_newest ON audit (at /*postgres , id*/);
CREATE INDEX audit_sender ON audit (sender) WHERE sender <> '';
CREATE INDEX audit_recipient ON audit (recipient) WHERE recipient <> '';

-- The filter that is learnt here, and what it is still to learn from.
CREATE TABLE model (
	id     INTEGER NOT NULL PRIMARY KEY,
	learnt BYTEA NOT NULL
);
CREATE TABLE lessons (
	inmail UUID NOT NULL,
	spam   BOOLEAN NOT NULL,
	at     BIGINT NOT NULL,
	PRIMARY KEY (inmail, spam)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX lessons_oldest ON lessons (at);
