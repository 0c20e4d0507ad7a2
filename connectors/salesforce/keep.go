package salesforce

import (
	"context"
	"encoding/json"
	"time"

	"inmail/domain"
)

// droppable says that the org need not have the record of an InMail any more (policy crm_keep_days): it is
// over, and nothing has happened to it for so long. Such a record is neither made again nor missed. One that
// is there is kept true, so that its texts go with those of the InMail.
func (c *Connector) droppable(m *domain.InMail) bool {
	if c.keepFor == 0 || m.Status == domain.Queued {
		return false
	}
	last := m.AcceptedAt
	for _, at := range []time.Time{m.SentAt, m.ExpiresAt, m.OpenedAt, m.RepliedAt, m.DeclinedAt, m.EndedAt} {
		if at.After(last) {
			last = at
		}
	}
	return c.clock.Now().Sub(last) > c.keepFor
}

// leaveDropped settles the works whose record the org need not have and has no more, so that none is made
// again. Their Tasks stay in the org and are kept true. It asks once about all of them.
func (c *Connector) leaveDropped(ctx context.Context, works []*work) error {
	old := map[string]*work{}
	var ids []string
	for _, w := range works {
		if !w.settled && c.droppable(&w.push.InMail) {
			ids = append(ids, string(w.push.InMail.ID))
			old[ids[len(ids)-1]] = w
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r orgRow
		err := json.Unmarshal(record, &r)
		delete(old, r.text(inMailKey))
		return err
	}})
	if err != nil {
		return err
	}
	for _, w := range old {
		w.leave()
	}
	return nil
}

// leave settles a work whose record the org need not have and has no more.
func (w *work) leave() {
	w.settled, w.dropped = true, true
	w.link.RecordID = ""
	w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
	w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
}

// These are the name and the value of the note of a link whose Tasks have no texts.
const (
	textsNote    = "texts"
	droppedTexts = "dropped"
)

// tasksKeepTexts says that the Tasks of an InMail may have texts that they should not have any more, because
// those of the InMail were dropped by age, or because the policy lets none leave.
func (c *Connector) tasksKeepTexts(p *domain.Push) bool {
	m, l := &p.InMail, p.Link
	dropped := m.Status != domain.Queued && m.Subject+m.Preview+m.Body == ""
	return (dropped || c.text == domain.CRMTextNone) && m.Sender != domain.Erased && m.Recipient != domain.Erased &&
		l.Notes[textsNote] != droppedTexts && (logged(l, sentEvent) || logged(l, repliedEvent))
}

// mustEmptyTasks says that texts are to be removed from the Tasks of an InMail. Those of an erased one are
// removed once, by the push from scratch that follows the erasure.
func (c *Connector) mustEmptyTasks(w *work) bool {
	l := w.push.Link
	return c.tasksKeepTexts(w.push) || w.erased() && !(logged(l, sentEvent) && logged(l, repliedEvent))
}
