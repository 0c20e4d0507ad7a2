package record

import (
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

const webhookColumns = `SELECT w.id, w.url, w.name, w.kinds, w.texts, w.secret, w.earlier_secret, w.earlier_until,
	w.created_at, w.made_by, w.off_at, w.off_reason, w.position, w.listed_from, w.down_since, w.tries, w.retry_at,
	w.last_at, w.last_status, w.last_problem, w.holder, w.leased_until`

// The oldest event that waits for an end point is the one of its oldest delivery that waits, or the first one
// behind its position, wanted or not: a worker passes unwanted ones at once.
const (
	allWebhooks = webhookColumns + `, least(
		coalesce((SELECT e.at FROM events e WHERE e.position > w.position ORDER BY e.position LIMIT 1), $1),
		coalesce((SELECT e.at FROM events e WHERE e.position >= (SELECT min(d.position) FROM webhook_deliveries d
			WHERE d.webhook = w.id AND d.delivered_at IS NULL AND d.position > 0) ORDER BY e.position LIMIT 1), $1))
		FROM webhooks w ORDER BY w.created_at, w.id`
	oneWebhook  = webhookColumns + `, 0 FROM webhooks w WHERE w.id = $1`
	lockWebhook = oneWebhook + ` FOR UPDATE`
)

func scanWebhook(r row) (w mailroom.Webhook, err error) {
	var kinds string
	var earlier, created, off, down, retry, last, leased, oldest int64
	err = r.Scan(&w.ID, &w.URL, &w.Name, &kinds, (*string)(&w.Text), &w.Secret, &w.EarlierSecret, &earlier, &created,
		&w.CreatedBy, &off, &w.OffReason, &w.Position, &w.ListedFrom, &down, &w.Tries, &retry, &last, &w.LastStatus,
		&w.LastReason, (*string)(&w.Holder), &leased, &oldest)
	w.Kinds = strings.Fields(kinds)
	w.EarlierUntil, w.CreatedAt, w.OffAt, w.DownSince = instant(earlier), instant(created), instant(off), instant(down)
	w.RetryAt, w.LastAt, w.LeasedUntil, w.OldestWaiting = instant(retry), instant(last), instant(leased), instant(oldest)
	return w, err
}

// never is later than every event.
var never = time.UnixMilli(1 << 50).UTC()

// Webhooks returns all end points, oldest first (R68).
func (t *tx) Webhooks() (all []mailroom.Webhook, err error) {
	err = t.query("list end points", allWebhooks, func(r row) error {
		w, err := scanWebhook(r)
		if w.OldestWaiting.Equal(never) {
			w.OldestWaiting = time.Time{}
		}
		all = append(all, w)
		return err
	}, millis(never))
	return all, err
}

// LockWebhook returns one end point, for update where the transaction writes.
func (t *tx) LockWebhook(id string) (found *mailroom.Webhook, err error) {
	sql, ask := oneWebhook, t.query
	if t.write {
		sql, ask = lockWebhook, t.lock
	}
	err = ask("read an end point", sql, func(r row) error {
		w, err := scanWebhook(r)
		found = &w
		return err
	}, id)
	return found, err
}

const putWebhook = `INSERT INTO webhooks (id, url, name, kinds, texts, secret, earlier_secret, earlier_until,
		created_at, made_by, off_at, off_reason, position, listed_from, down_since, tries, retry_at, last_at,
		last_status, last_problem, holder, leased_until)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
	ON CONFLICT (id) DO UPDATE SET url = excluded.url, name = excluded.name, kinds = excluded.kinds,
		texts = excluded.texts, secret = excluded.secret, earlier_secret = excluded.earlier_secret,
		earlier_until = excluded.earlier_until, off_at = excluded.off_at, off_reason = excluded.off_reason,
		position = excluded.position, listed_from = excluded.listed_from, down_since = excluded.down_since,
		tries = excluded.tries, retry_at = excluded.retry_at, last_at = excluded.last_at,
		last_status = excluded.last_status, last_problem = excluded.last_problem, holder = excluded.holder,
		leased_until = excluded.leased_until`

// PutWebhook inserts or replaces an end point.
func (t *tx) PutWebhook(w mailroom.Webhook) error {
	_, err := t.exec("store an end point", putWebhook, w.ID, w.URL, w.Name, strings.Join(w.Kinds, " "), string(w.Text),
		blob(w.Secret), blob(w.EarlierSecret), millis(w.EarlierUntil), millis(w.CreatedAt), w.CreatedBy, millis(w.OffAt),
		w.OffReason, w.Position, w.ListedFrom, millis(w.DownSince), w.Tries, millis(w.RetryAt), millis(w.LastAt),
		w.LastStatus, w.LastReason, string(w.Holder), millis(w.LeasedUntil))
	return err
}

// DeleteWebhook deletes an end point with its deliveries.
func (t *tx) DeleteWebhook(id string) (bool, error) {
	if _, err := t.exec("delete deliveries", `DELETE FROM webhook_deliveries WHERE webhook = $1`, id); err != nil {
		return false, err
	}
	n, err := t.exec("delete an end point", `DELETE FROM webhooks WHERE id = $1`, id)
	return n > 0, err
}

// FreeWebhooks ends all leases.
func (t *tx) FreeWebhooks() error {
	_, err := t.exec("end leases of end points", `UPDATE webhooks SET holder = '', leased_until = 0 WHERE leased_until > 0`)
	return err
}

const dueWebhooks = `SELECT w.id FROM webhooks w WHERE NOT (w.leased_until > $1 AND w.leased_until <= $2) AND (
		EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook = w.id AND d.next_at <= $1 AND d.position < 0)
		OR w.off_at = 0 AND w.retry_at <= $1 AND (
			w.position < (SELECT max(e.position) FROM events e)
			OR w.down_since > 0
			OR EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.webhook = w.id AND d.next_at <= $1)))
	ORDER BY w.last_at`

// DueWebhooks returns the end points that have something due and that nobody has leased.
func (t *tx) DueWebhooks() (ids []string, err error) {
	err = t.query("find end points that are due", dueWebhooks, func(r row) error {
		var id string
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, t.at(0), t.at(mailroom.WebhookLease))
	return ids, err
}

const deliveryColumns = `SELECT d.webhook, d.position, coalesce(d.inmail::text, ''), d.tries, d.first_at, d.last_at,
	d.last_status, d.last_problem, coalesce(d.next_at, 0), coalesce(d.delivered_at, 0) FROM webhook_deliveries d `

func (t *tx) readDeliveries(sql string, args ...any) (ds []mailroom.Delivery, err error) {
	err = t.query("read deliveries", deliveryColumns+sql, func(r row) error {
		var d mailroom.Delivery
		var first, last, next, delivered int64
		err := r.Scan(&d.Webhook, &d.Position, (*string)(&d.InMail), &d.Tries, &first, &last, &d.LastStatus,
			&d.LastReason, &next, &delivered)
		d.FirstAt, d.LastAt, d.NextAt, d.DeliveredAt = instant(first), instant(last), instant(next), instant(delivered)
		ds = append(ds, d)
		return err
	}, args...)
	return ds, err
}

const (
	dueTests      = `WHERE d.webhook = $1 AND d.next_at <= $2 AND d.position < 0 ORDER BY d.next_at LIMIT $3`
	dueDeliveries = `WHERE d.webhook = $1 AND d.next_at <= $2 ORDER BY d.next_at LIMIT $3`
	behindThem    = `WHERE d.webhook = $1 AND d.inmail IN (SELECT unnest($2::uuid[])) AND d.delivered_at IS NULL
		ORDER BY d.position`
	oldestWaiting = `WHERE d.webhook = $1 AND d.delivered_at IS NULL AND d.position > 0 ORDER BY d.position LIMIT 1`
	deliveriesAt  = `WHERE d.webhook = $1 AND d.position IN (SELECT unnest($2::bigint[]))`
	lastTests     = `WHERE d.webhook = $1 AND d.position < 0 ORDER BY d.position LIMIT 20`
)

// DueDeliveries returns tests that are due, and with events the deliveries that are due with what waits
// behind them.
func (t *tx) DueDeliveries(webhook string, limit int, events bool) ([]mailroom.Delivery, error) {
	if !events {
		return t.readDeliveries(dueTests, webhook, t.at(0), limit)
	}
	due, err := t.readDeliveries(dueDeliveries, webhook, t.at(0), limit)
	if err != nil {
		return nil, err
	}
	var alone []mailroom.Delivery
	var inmails []domain.ID
	for _, d := range due {
		if d.InMail == "" {
			alone = append(alone, d)
		} else {
			inmails = append(inmails, d.InMail)
		}
	}
	if len(inmails) == 0 {
		return alone, nil
	}
	chains, err := t.readDeliveries(behindThem, webhook, inmails)
	return append(alone, chains...), err
}

// OldestWaiting returns the delivery that waits longest, if there is one.
func (t *tx) OldestWaiting(webhook string) ([]mailroom.Delivery, error) {
	return t.readDeliveries(oldestWaiting, webhook)
}

const waitingInMails = `SELECT DISTINCT d.inmail FROM webhook_deliveries d
	WHERE d.webhook = $1 AND d.inmail IN (SELECT unnest($2::uuid[])) AND d.delivered_at IS NULL`

// WaitingInMails returns those of ids that deliveries wait for.
func (t *tx) WaitingInMails(webhook string, ids []domain.ID) (map[domain.ID]bool, error) {
	waiting := map[domain.ID]bool{}
	if len(ids) == 0 {
		return waiting, nil
	}
	found, err := t.ids("find InMails that deliveries wait for", waitingInMails, webhook, ids)
	for _, id := range found {
		waiting[id] = true
	}
	return waiting, err
}

const putDeliveries = `INSERT INTO webhook_deliveries (webhook, position, inmail, tries, first_at, last_at,
		last_status, last_problem, next_at, delivered_at)
	SELECT r.webhook, r.position, r.inmail, r.tries, r.first_at, r.last_at, r.last_status, r.last_problem,
		nullif(r.next_at, 0), nullif(r.delivered_at, 0)
	FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::int[], $5::bigint[], $6::bigint[], $7::int[], $8::text[],
			$9::bigint[], $10::bigint[])
		AS r(webhook, position, inmail, tries, first_at, last_at, last_status, last_problem, next_at, delivered_at)
	WHERE TRUE
	ON CONFLICT (webhook, position) DO UPDATE SET tries = excluded.tries, first_at = excluded.first_at,
		last_at = excluded.last_at, last_status = excluded.last_status, last_problem = excluded.last_problem,
		next_at = excluded.next_at, delivered_at = excluded.delivered_at`

// PutDeliveries inserts or replaces deliveries.
func (t *tx) PutDeliveries(ds []mailroom.Delivery) error {
	var rows batch
	for _, d := range ds {
		rows.add(d.Webhook, d.Position, d.InMail, d.Tries, millis(d.FirstAt), millis(d.LastAt), d.LastStatus, d.LastReason,
			millis(d.NextAt), millis(d.DeliveredAt))
	}
	return t.laterBatch("store deliveries", putDeliveries, &rows, anyNumber)
}

// headOfInMail is the first delivery that waits of the InMail of d.
const headOfInMail = `(SELECT min(f.position) FROM webhook_deliveries f
	WHERE f.webhook = $1 AND f.inmail = webhook_deliveries.inmail AND f.delivered_at IS NULL)`

const (
	freeFollowers = `UPDATE webhook_deliveries SET next_at = $2
		WHERE webhook = $1 AND inmail IN (SELECT unnest($3::uuid[])) AND delivered_at IS NULL AND next_at IS NULL
			AND position = ` + headOfInMail
	retryDeliveries = `UPDATE webhook_deliveries SET next_at = $2, first_at = 0, tries = 0
		WHERE webhook = $1 AND delivered_at IS NULL AND position > 0
			AND (inmail IS NULL OR position = ` + headOfInMail + `)`
)

// FreeFollowers makes the first delivery that waits of each InMail due now, where none of it is due.
func (t *tx) FreeFollowers(webhook string, ids []domain.ID) error {
	if len(ids) == 0 {
		return nil
	}
	return t.later("free the deliveries behind others", freeFollowers, &batch{args: []any{webhook, t.at(0), ids}}, anyNumber)
}

// RetryDeliveries makes the first delivery that waits of each InMail due now, as if it had never failed.
func (t *tx) RetryDeliveries(webhook string) error {
	return t.later("try deliveries again", retryDeliveries, &batch{args: []any{webhook, t.at(0)}}, anyNumber)
}

// DropDeliveries forgets the deliveries of events behind a position.
func (t *tx) DropDeliveries(webhook string, after int64) error {
	_, err := t.exec("forget deliveries", `DELETE FROM webhook_deliveries WHERE webhook = $1 AND position > $2`, webhook, after)
	return err
}

// DeliveriesAt returns what is kept of events at these positions.
func (t *tx) DeliveriesAt(webhook string, positions []int64) (map[int64]mailroom.Delivery, error) {
	at := make(map[int64]mailroom.Delivery, len(positions))
	if len(positions) == 0 {
		return at, nil
	}
	found, err := t.readDeliveries(deliveriesAt, webhook, positions)
	for _, d := range found {
		at[d.Position] = d
	}
	return at, err
}

// TestDeliveries returns the newest tests.
func (t *tx) TestDeliveries(webhook string) ([]mailroom.Delivery, error) {
	return t.readDeliveries(lastTests, webhook)
}

// NewestEvent returns the position of the newest event; 0: there is none.
func (t *tx) NewestEvent() (position int64, err error) {
	err = t.query("find the newest event", eventLast, func(r row) error { return r.Scan(&position) })
	return position, err
}

// dropOldDeliveries goes with the events: what was delivered is listed no longer than they are, and what
// waits for an event that is gone waits for nothing.
const dropOldDeliveries = `DELETE FROM webhook_deliveries WHERE position > 0 AND position <= $1 OR position < 0 AND position > $2`

func (t *tx) dropDeliveriesOf(last int64, before time.Time) error {
	_, err := t.exec("drop old deliveries", dropOldDeliveries, last, -millis(before))
	return err
}
