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
// again. It asks once about all of them.
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
		w.settled = true
		w.link.RecordID = ""
		w.link.PushedVersion = max(w.link.PushedVersion, w.push.InMail.Version)
		w.link.PushedSeq = max(w.link.PushedSeq, w.push.InMail.Seq)
	}
	return nil
}

// droppedTexts is the note of a link whose Tasks have no texts any more.
const droppedTexts = "dropped"

// textsDropped says that the texts of an InMail were dropped by age, and that its Tasks may still have them.
func (c *Connector) textsDropped(w *work) bool {
	m := &w.push.InMail
	return c.config.Tasks && m.Status != domain.Queued && m.Subject+m.Preview+m.Body == "" && !w.erased() &&
		w.push.Link.Notes["texts"] != droppedTexts && (logged(w.push.Link, sentEvent) || logged(w.push.Link, repliedEvent))
}
