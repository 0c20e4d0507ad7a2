package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// Progress is how far a backfill has come, and Plan is what one would cost.
type (
	Progress = mailroom.BackfillProgress
	Plan     = mailroom.BackfillPlan
)

// backfill is the state of a running backfill, which is stored between runs.
type backfill struct {
	SoFar  Progress `json:"so"`
	JobID  string   `json:"job_id,omitempty"` // the running job; empty: none
	Closed bool     `json:"closed,omitempty"` // the job's data is uploaded, so the org works on it
	notify func()   // reports the progress
	record mailroom.CRMRecord
}

const backfillState = "backfill"

// Backfill brings every InMail of the record to the org, whatever the links say about it. Many InMails go in
// bulk jobs, few by ordinary pushes. A backfill that was killed at any step goes on with the chunk that it
// was in, and rows that the org took already change nothing when they come again. It stops with a
// *mailroom.Waits when the budget is spent. progress may be nil; otherwise it is called after each step.
func (c *Connector) Backfill(
	ctx context.Context, record mailroom.CRMRecord, progress func(Progress),
) (Progress, error) {
	if !c.Configured() {
		return Progress{}, mailroom.ErrNotConfigured
	}
	if !c.backfilling.TryLock() {
		return Progress{}, errors.New("a backfill is under way in this process")
	}
	defer c.backfilling.Unlock()
	ctx, made := crmcall.Count(crmcall.Background(ctx))
	b := &backfill{record: record}
	b.notify = func() {
		b.SoFar.Calls += made.Take()
		if progress != nil {
			progress(b.SoFar)
		}
	}
	err := c.resumeBackfill(ctx, b)
	b.notify()
	for err == nil && !b.SoFar.Done {
		err = c.fillChunk(ctx, b)
		b.notify()
	}
	if err != nil {
		return b.SoFar, c.waits(fmt.Errorf("backfill Salesforce: %w", err))
	}
	return b.SoFar, nil
}

// resumeBackfill reads how far the last run came and ends the job that it left. A job that the org works on
// is awaited, so that two jobs do not lock each other's rows, and any other job is aborted. The chunk of that
// job is done again.
func (c *Connector) resumeBackfill(ctx context.Context, b *backfill) error {
	blob, err := b.record.State(ctx, backfillState)
	if err != nil {
		return fmt.Errorf("read how far the backfill came: %w", err)
	}
	if blob == nil || json.Unmarshal(blob, b) != nil || b.SoFar.Done {
		*b = backfill{notify: b.notify, record: b.record, SoFar: Progress{StartedAt: c.clock.Now()}}
		if b.SoFar.Total, err = countInMails(ctx, b.record); err != nil {
			return err
		}
		b.SoFar.Bulk = b.SoFar.Total > c.bulkAbove
	}
	b.SoFar.Prepared = b.SoFar.InMails // its chunk is done again
	if b.JobID != "" {
		if b.Closed {
			_, err = c.awaitJob(ctx, b.JobID, b.notify)
		} else {
			err = c.abortJob(ctx, b.JobID)
		}
		f := (*Fault)(nil)
		if errors.As(err, &f) && (f.Status < 400 || f.Status >= 500 || f.Class == domain.LimitReached) {
			return fmt.Errorf("end the job of the last backfill: %w", err) // the job may still run
		}
		b.JobID, b.Closed = "", false
	}
	return c.keepBackfill(ctx, b)
}

// countInMails counts the InMails of the record.
func countInMails(ctx context.Context, record mailroom.CRMRecord) (n int, err error) {
	var after domain.ID
	for {
		pushes, err := record.PushesAfter(ctx, after, pageSize)
		if err != nil {
			return n, fmt.Errorf("read the record: %w", err)
		}
		if n += len(pushes); len(pushes) < pageSize {
			return n, nil
		}
		after = pushes[len(pushes)-1].InMail.ID
	}
}

func (c *Connector) keepBackfill(ctx context.Context, b *backfill) error {
	var blob []byte
	if !b.SoFar.Done {
		blob, _ = json.Marshal(b) // texts, numbers and times cannot fail to encode
	}
	if err := b.record.SetState(ctx, backfillState, blob); err != nil {
		return fmt.Errorf("keep how far the backfill came: %w", err)
	}
	return nil
}

// chunk is the part of the record that one pair of jobs brings to the org.
type chunk struct {
	links   []domain.Link // the links as they will be when the org takes every row
	records *sheet
	tasks   *sheet
	events  map[string]bool    // the event ids of the Tasks in the sheet
	people  []*work            // those whose Leads and Contacts are to be written
	members map[domain.ID]bool // those whose person is to be added to Campaigns
	to      domain.ID
	last    bool // the chunk reaches the end of the record
}

func (c *Connector) taskColumns() []string {
	columns := []string{taskKey, "Subject", "Description", "Status", "ActivityDate", "WhoId", "WhatId"}
	if c.config.TaskType != "" {
		columns = append(columns, "Type")
	}
	columns = append(columns, ownerColumn)
	for _, d := range c.defaults {
		columns = append(columns, d.field)
	}
	return columns
}

// gather reads the record from where the backfill is, matches it page by page, and fills the sheets.
func (c *Connector) gather(ctx context.Context, b *backfill) (*chunk, error) {
	ch := &chunk{to: b.SoFar.After, events: map[string]bool{}, members: map[domain.ID]bool{},
		records: newSheet(inMailObject, "upsert", inMailKey, append(columnNames(nil), ownerColumn)...),
		tasks:   newSheet(taskObject, "insert", taskKey, c.taskColumns()...)}
	for ch.records.rows < c.jobRows && ch.records.data.Len() < maxUpload-pageSize*16_000 {
		page := min(pageSize, c.jobRows-ch.records.rows)
		pushes, err := b.record.PushesAfter(ctx, ch.to, page)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		all := pushes
		pushes = slices.DeleteFunc(slices.Clone(all), func(p domain.Push) bool { return c.droppable(&p.InMail) })
		for i := range pushes { // the old link may belong to another org
			pushes[i].Link = domain.Link{InMail: pushes[i].InMail.ID, Chosen: pushes[i].Link.Chosen}
		}
		works := c.newWorks(pushes)
		if err := c.findParents(ctx, works); err != nil {
			return nil, err
		}
		for _, w := range works {
			ch.add(c, w)
		}
		b.SoFar.Prepared += len(all)
		b.notify()
		if len(all) < page {
			ch.last = true
			return ch, nil
		}
		ch.to = all[len(all)-1].InMail.ID
	}
	return ch, nil
}

// add adds the rows of an InMail to the sheets.
func (ch *chunk) add(c *Connector, w *work) {
	row := c.recordRow(w)
	ch.records.add(row)
	m := &w.push.InMail
	link := domain.Link{InMail: m.ID, PushedVersion: m.Version, PushedSeq: m.Seq}
	noteOwner(&link, row)
	w.want.keep(&link)
	link.Chosen = w.link.Chosen
	ch.people = append(ch.people, w)
	ch.links = append(ch.links, link)
	if len(c.lackedCampaigns(w.push, link, w.want)) > 0 {
		ch.members[m.ID] = true
	}
	for _, it := range c.taskItems(w) {
		ch.tasks.add(it.row)
		ch.events[eventID(m.ID, it.event)] = true
	}
}

// fillChunk brings the next chunk to the org and stores the result.
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
	b.SoFar.InMails += len(ch.links)
	b.SoFar.Pushed += len(left)
	b.SoFar.After, b.SoFar.Done = ch.to, ch.last
	return c.keepBackfill(ctx, b)
}

// runChunk runs the jobs of a chunk and stores which rows the org took. left are the InMails that must go by
// ordinary pushes.
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
	unwritten, err := c.fillPersons(ctx, ch.people)
	if err != nil {
		return nil, err
	}
	var answers []domain.PushAnswer
	counts := map[[2]string]int{}
	for _, l := range ch.links {
		r, reached := records[string(l.InMail)]
		if !reached || r.fault != nil && r.fault.Class != domain.Stale {
			counts[[2]string{inMailObject, r.class()}]++
			b.SoFar.Failed++
			left = append(left, l.InMail)
			continue
		}
		a := domain.PushAnswer{Link: l}
		a.Link.RecordID = r.id
		if r.fault != nil { // the org has a newer state, whose parents are not known here
			counts[[2]string{inMailObject, "unchanged"}]++
			left = append(left, l.InMail)
			continue
		}
		b.SoFar.Records++
		counts[[2]string{inMailObject, "updated"}]++
		missingTask := unwritten[l.InMail]
		for _, event := range []string{sentEvent, repliedEvent} {
			switch t, reached := tasks[eventID(l.InMail, event)]; {
			case !ch.events[eventID(l.InMail, event)]:
			case reached && (t.fault == nil || t.fault.alreadyLogged()):
				noteLogged(&a.Link, event)
				b.SoFar.Beside++
				counts[[2]string{taskObject, "created"}]++
			default:
				missingTask = true
				counts[[2]string{taskObject, t.class()}]++
			}
		}
		if ch.members[l.InMail] { // an ordinary push adds them to their Campaigns
			left = append(left, l.InMail)
			continue
		}
		if missingTask {
			b.SoFar.Failed++
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

// fillPersons writes the fields of the Leads and Contacts of a chunk. unwritten are the InMails whose person
// the org did not take.
func (c *Connector) fillPersons(ctx context.Context, works []*work) (unwritten map[domain.ID]bool, err error) {
	ids, is, first := c.persons(works)
	var rows []change
	for _, id := range ids {
		if c.restOf(ctx, objectOf(id)) == nil {
			rows = append(rows, change{objectOf(id), id, personRow(id, is[id])})
		}
	}
	faults, err := c.update(ctx, rows)
	unwritten = map[domain.ID]bool{}
	counts := map[[2]string]int{}
	for i, f := range faults {
		if f == nil {
			counts[[2]string{rows[i].object, "updated"}]++
			continue
		}
		counts[[2]string{rows[i].object, string(f.Class)}]++
		unwritten[first[rows[i].id].push.InMail.ID] = true
	}
	for what, n := range counts {
		c.observer.Pushed(what[0], what[1], n)
	}
	return unwritten, err
}

// runJob brings one sheet to the org. It stores each step before the next, so that the run after a kill knows
// which job was left.
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
	if err != nil {
		class := asFault(err).Class
		if j.State == "JobComplete" || class == domain.Locked || class == domain.Unreachable || class == domain.LimitReached {
			return nil, err
		}
	}
	if j.State != "JobComplete" { // rows that the job did not reach go by ordinary pushes
		c.log.WarnContext(ctx, "a bulk job ended early",
			"job", j.ID, "state", j.State, "rows", s.rows, "answered", len(rows))
	}
	b.SoFar.Jobs++
	b.JobID, b.Closed = "", false
	return rows, nil
}

// callsOfJob is about how many calls a job takes: one each to create, upload and close, some polls, and two
// lists of results.
const callsOfJob = 12

// PlanBackfill counts what a backfill would take. It makes no call.
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
			return p, fmt.Errorf("read the record: %w", err)
		}
		for i := range pushes {
			w := &work{push: &pushes[i], want: parents{Match: domain.Matched, LeadID: "00Q000000000000AAA"}}
			records.add(c.about(w.push).fields())
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
