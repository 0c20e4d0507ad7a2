-- What happened, for others to read (R68), and the end points that it is sent to.

-- +goose Up
/*postgres CREATE SEQUENCE event_positions INCREMENT BY 1000;*/
-- A role that may only write rows has no right on a sequence by default; a number of this one gives nothing away.
/*postgres GRANT USAGE ON SEQUENCE event_positions TO PUBLIC;*/
-- A row for each event, without texts, names and ids of members.
CREATE TABLE events (
	position BIGINT NOT NULL PRIMARY KEY,
	at       BIGINT NOT NULL,
	inmail   UUID,
	seq      INTEGER NOT NULL,
	kind     TEXT NOT NULL,
	about    TEXT NOT NULL
);

-- The end points. The secrets must be readable, because they sign.
CREATE TABLE webhooks (
	id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	url            TEXT NOT NULL,
	name           TEXT NOT NULL,
	kinds          TEXT NOT NULL,   -- words with blanks between
	texts          TEXT NOT NULL,   -- '': as the policy says
	secret         BYTEA NOT NULL,
	earlier_secret BYTEA NOT NULL,  -- signs along until earlier_until
	earlier_until  BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	made_by        TEXT NOT NULL,
	position       BIGINT NOT NULL, -- every event up to here is delivered, or is a row of webhook_deliveries
	listed_from    BIGINT NOT NULL, -- deliveries are listed from behind here
	off_at         BIGINT NOT NULL, -- when it was switched off; 0: it is on
	off_reason     TEXT NOT NULL,
	down_since     BIGINT NOT NULL, -- since when nothing was delivered; 0: it is not down
	tries          INTEGER NOT NULL, -- since then
	retry_at       BIGINT NOT NULL,
	last_at        BIGINT NOT NULL,
	last_status    INTEGER NOT NULL,
	last_problem   TEXT NOT NULL,
	holder         TEXT NOT NULL,   -- the worker that delivers to it
	leased_until   BIGINT NOT NULL
);

-- Deliveries that failed or that wait behind one that failed. All others follow from the position of the end point.
CREATE TABLE webhook_deliveries (
	webhook      TEXT COLLATE "C" NOT NULL,
	position     BIGINT NOT NULL,
	inmail       UUID,
	tries        INTEGER NOT NULL,
	first_at     BIGINT NOT NULL, -- of the first try; 0: there was none
	last_at      BIGINT NOT NULL,
	last_status  INTEGER NOT NULL,
	last_problem TEXT NOT NULL,
	next_at      BIGINT,          -- NULL: delivered, or behind another of its InMail
	delivered_at BIGINT,
	PRIMARY KEY (webhook, position)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook, inmail, position) WHERE delivered_at IS NULL;
