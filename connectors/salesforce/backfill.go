package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Progress tells how far a backfill is, and Plan what one would take.
type (
	Progress = mailroom.BackfillProgress
	Plan     = mailroom.BackfillPlan
)

// backfill is a backfill on its way, as it is kept between runs.
type backfill struct {
	So     Progress `json:"so"`
	JobID  string   `json:"job_id,omitempty"` // of the job that is under way
	Closed bool     `json:"closed,omitempty"` // its data is uploaded: the org works
	notify func()   // tells how far it is
	record mailroom.CRMRecord
}

const backfillState = "backfill"

// Backfill brings every InMail of the record to the org, whatever is believed to be there: in bulk jobs, or where
// there are few, by ordinary pushes. It may be killed at any step and goes on with the chunk it was in: what the org took
// already changes nothing when it comes again. It stops with a *mailroom.Waits when the budget is spent. progress, if any, is told
// after each step.
func (c *Connector) Backfill(ctx context.Context, record mailroom.CRMRecord, progress func(Progress)) (Progress, error) {
	if !c.Configured() {
		return Progress{}, mailroom.ErrNotConfigured
	}
	if !c.backfilling.TryLock() {
		return Progress{}, errors.New("a backfill is under way in this process")
	}
	defer c.backfilling.Unlock()
	ctx, made := countCalls(withUrgency(ctx, background))
	b := &backfill{record: record}
	b.notify = func() {
		b.So.Calls += made.take()
		if progress != nil {
			progress(b.So)
		}
	}
	err := c.resumeBackfill(ctx, b)
	b.notify()
	for err == nil && !b.So.Done {
		err = c.fillChunk(ctx, b)
		b.notify()
	}
	if err != nil {
		return b.So, c.waits(fmt.Errorf("backfill Salesforce: %w", err))
	}
	return b.So, nil
}

// resumeBackfill reads how far the last run came and ends the job that it left behind: one that works is waited for, so that two do
// not lock each other; any other is aborted. Its chunk is gone through again.
func (c *Connector) resumeBackfill(ctx context.Context, b *backfill) error {
	blob, err := b.record.State(ctx, backfillState)
	if err != nil {
		return fmt.Errorf("read how far the backfill came: %w", err)
	}
	if blob == nil || json.Unmarshal(blob, b) != nil || b.So.Done {
		*b = backfill{notify: b.notify, record: b.record, So: Progress{StartedAt: c.clock.Now()}}
		if b.So.Total, err = countInMails(ctx, b.record); err != nil {
			return err
		}
		b.So.Bulk = b.So.Total > c.bulkAbove
	}
	b.So.Prepared = b.So.InMails // its chunk begins anew
	if b.JobID != "" {
		if b.Closed {
			_, err = c.awaitJob(ctx, b.JobID, b.notify)
		} else {
			err = c.abortJob(ctx, b.JobID)
		}
		if f := (*Fault)(nil); errors.As(err, &f) && (f.Status < 400 || f.Status >= 500 || f.Class == domain.LimitReached) {
			return fmt.Errorf("end the job of the last backfill: %w", err) // it may still be there
		}
		b.JobID, b.Closed = "", false
	}
	return c.keepBackfill(ctx, b)
}

// countInMails walks the record.
func countInMails(ctx context.Context, record mailroom.CRMRecord) (n int, err error) {
	var after domain.ID
	for {
		pushes, err := record.PushesAfter(ctx, after, pageSize)
		if err != nil {
			return n, fmt.Errorf("walk the record: %w", err)
		}
		if n += len(pushes); len(pushes) < pageSize {
			return n, nil
		}
		after = pushes[len(pushes)-1].InMail.ID
	}
}

func (c *Connector) keepBackfill(ctx context.Context, b *backfill) error {
	var blob []byte
	if !b.So.Done {
		blob, _ = json.Marshal(b) // of texts, numbers and times: cannot fail
	}
	if err := b.record.SetState(ctx, backfillState, blob); err != nil {
		return fmt.Errorf("keep how far the backfill came: %w", err)
	}
	return nil
}

// chunk is what one pair of jobs brings to the org.
type chunk struct {
	links   []domain.Link // as they are when all goes through
	records *sheet
	tasks   *sheet
	events  map[string]bool // the Tasks in their sheet, by event id
	to      domain.ID
	last    bool // the record ends here
}

func (c *Connector) taskColumns() []string {
	columns := []string{taskKey, "Subject", "Description", "Status", "ActivityDate", "WhoId", "WhatId"}
	if c.config.TaskType != "" {
		columns = append(columns, "Type")
	}
	if len(c.owners) > 0 {
		columns = append(columns, "OwnerId")
	}
	return columns
}

// gather reads the record from where the backfill is, matches page by page, and writes the sheets.
func (c *Connector) gather(ctx context.Context, b *backfill) (*chunk, error) {
	ch := &chunk{to: b.So.After, events: map[string]bool{}, records: newSheet(inMailObject, "upsert", inMailKey, columnNames(nil)...),
		tasks: newSheet(taskObject, "insert", taskKey, c.taskColumns()...)}
	for ch.records.rows < c.jobRows && ch.records.data.Len() < maxUpload-pageSize*16_000 {
		page := min(pageSize, c.jobRows-ch.records.rows)
		pushes, err := b.record.PushesAfter(ctx, ch.to, page)
		if err != nil {
			return nil, fmt.Errorf("walk the record: %w", err)
		}
		for i := range pushes { // from scratch: what is known may be of another org
			pushes[i].Link = domain.Link{InMail: pushes[i].InMail.ID}
		}
		works := c.newest(pushes)
		if err := c.findParents(ctx, works); err != nil {
			return nil, err
		}
		for _, w := range works {
			ch.add(c, w)
		}
		b.So.Prepared += len(pushes)
		b.notify()
		if len(pushes) < page {
			ch.last = true
			return ch, nil
		}
		ch.to = pushes[len(pushes)-1].InMail.ID
	}
	return ch, nil
}

// add puts an InMail into the sheets.
func (ch *chunk) add(c *Connector, w *work) {
	row := fieldsOf(w.push, c.text)
	setParents(row, w.want)
	ch.records.add(row)
	m := &w.push.InMail
	link := domain.Link{InMail: m.ID, PushedVersion: m.Version, PushedSeq: m.Seq}
	w.want.keep(&link)
	ch.links = append(ch.links, link)
	for _, it := range c.taskItems(w) {
		ch.tasks.add(it.row)
		ch.events[eventID(m.ID, it.event)] = true
	}
}

// fillChunk brings the next chunk to the org and keeps what became of it.
func (c *Connector) fillChunk(ctx context.Context, b *backfill) error {
	ch, err := c.gather(ctx, b)
	if err != nil {
		return err
	}
	var left []domain.ID
	if ch.records.rows <= c.bulkAbove {
		for _, l := range ch.links {
			left = append(left, l.InMail)
		}
	} else if left, err = c.runChunk(ctx, b, ch); err != nil {
		return err
	}
	for part := range slices.Chunk(left, repairBatch) {
		if err := b.record.Resync(ctx, part); err != nil {
			return fmt.Errorf("leave InMails to ordinary pushes: %w", err)
		}
	}
	b.So.InMails += len(ch.links)
	b.So.Pushed += len(left)
	b.So.After, b.So.Done = ch.to, ch.last
	return c.keepBackfill(ctx, b)
}

// runChunk runs the jobs of a chunk and stores what the org took. left are those that ordinary pushes must look at.
func (c *Connector) runChunk(ctx context.Context, b *backfill, ch *chunk) (left []domain.ID, err error) {
	records, err := c.runJob(ctx, b, ch.records)
	if err != nil {
		return nil, err
	}
	var tasks map[string]bulkRow
	if ch.tasks.rows > 0 {
		if tasks, err = c.runJob(ctx, b, ch.tasks); err != nil {
			return nil, err
		}
	}
	var answers []domain.PushAnswer
	counts := map[[2]string]int{}
	for _, l := range ch.links {
		r, reached := records[string(l.InMail)]
		if !reached || r.fault != nil && r.fault.Class != domain.Stale {
			counts[[2]string{inMailObject, r.class()}]++
			b.So.Failed++
			left = append(left, l.InMail)
			continue
		}
		a := domain.PushAnswer{Link: l}
		a.Link.RecordID = r.id
		if r.fault != nil { // the org is ahead: what it hangs on there is not ours to say
			counts[[2]string{inMailObject, "unchanged"}]++
			left = append(left, l.InMail)
			continue
		}
		b.So.Records++
		counts[[2]string{inMailObject, "updated"}]++
		lacks := false
		for _, event := range []string{sentEvent, repliedEvent} {
			switch t, reached := tasks[eventID(l.InMail, event)]; {
			case !ch.events[eventID(l.InMail, event)]:
			case reached && (t.fault == nil || t.fault.alreadyLogged()):
				noteLogged(&a.Link, event)
				b.So.Beside++
				counts[[2]string{taskObject, "created"}]++
			default:
				lacks = true
				counts[[2]string{taskObject, t.class()}]++
			}
		}
		if lacks {
			b.So.Failed++
			left = append(left, l.InMail)
			continue
		}
		answers = append(answers, a)
	}
	for what, n := range counts {
		c.observer.Pushed(what[0], what[1], n)
	}
	for part := range slices.Chunk(answers, pageSize) {
		if err := b.record.StorePushes(ctx, part, make([]time.Time, len(part)), c.Budget()); err != nil {
			return nil, fmt.Errorf("keep what the org took: %w", err)
		}
	}
	return left, nil
}

// runJob brings one sheet to the org. Each step is kept before the next, so that a run that follows a kill knows what was left behind.
func (c *Connector) runJob(ctx context.Context, b *backfill, s *sheet) (map[string]bulkRow, error) {
	j, err := c.openJob(ctx, s)
	if err != nil {
		return nil, err
	}
	b.JobID, b.Closed = j.ID, false
	if err := c.keepBackfill(ctx, b); err != nil {
		return nil, err
	}
	if err := c.fillJob(ctx, j.ID, s); err != nil {
		return nil, err
	}
	b.Closed = true
	if err := c.keepBackfill(ctx, b); err != nil {
		return nil, err
	}
	if j, err = c.awaitJob(ctx, j.ID, b.notify); err != nil {
		return nil, err
	}
	rows, err := c.results(ctx, j.ID, s)
	if err != nil && (j.State == "JobComplete" || asFault(err).Class == domain.Locked || asFault(err).Class == domain.LimitReached) {
		return nil, err
	}
	if j.State != "JobComplete" { // what it did not reach is left to ordinary pushes
		c.log.WarnContext(ctx, "a bulk job ended early", "job", j.ID, "state", j.State, "rows", s.rows, "answered", len(rows))
	}
	b.So.Jobs++
	b.JobID, b.Closed = "", false
	return rows, nil
}

// callsOfJob is about how many calls a job takes: open, upload, close, some polls, two lists of results.
const callsOfJob = 12

// PlanBackfill counts what a backfill would take and calls nobody.
func (c *Connector) PlanBackfill(ctx context.Context, record mailroom.CRMRecord) (Plan, error) {
	if !c.Configured() {
		return Plan{}, mailroom.ErrNotConfigured
	}
	var p Plan
	records := newSheet(inMailObject, "upsert", inMailKey, columnNames(nil)...)
	var after domain.ID
	for {
		pushes, err := record.PushesAfter(ctx, after, pageSize)
		if err != nil {
			return p, fmt.Errorf("walk the record: %w", err)
		}
		for i := range pushes {
			w := &work{push: &pushes[i], want: parents{Match: domain.Matched, LeadID: "00Q000000000000AAA"}}
			records.add(fieldsOf(w.push, c.text))
			p.Beside += len(c.taskItems(w))
			p.InMails++
		}
		p.Bytes += records.data.Len()
		records.data.Reset()
		if len(pushes) < pageSize {
			break
		}
		after = pushes[len(pushes)-1].InMail.ID
	}
	if p.InMails <= c.bulkAbove {
		p.Calls = callsOf(p.InMails)
		return p, nil
	}
	p.Jobs = max((p.InMails+c.jobRows-1)/c.jobRows, (p.Bytes+maxUpload-1)/maxUpload)
	p.Calls = (p.InMails + pageSize - 1) / pageSize
	if p.Beside > 0 {
		p.Jobs *= 2
	}
	p.Calls += p.Jobs * callsOfJob
	return p, nil
}
