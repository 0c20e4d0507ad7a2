package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// Forget empties members' ids in the Leads and Contacts that have them (R60). The texts of their InMails are
// emptied by the push that follows an erasure. A record that the org refuses to change for good is logged by
// its id, for the org's administrator. It is no error, because the next try would have the same result.
// Forget may be repeated.
func (c *Connector) Forget(ctx context.Context, ids []domain.MemberID) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	c.users.forget(ids...)
	rows, err := c.peopleOf(ctx, ids)
	if err == nil {
		err = c.emptyPeople(ctx, rows)
	}
	if err != nil {
		return fmt.Errorf("forget members in Salesforce: %w", err)
	}
	return nil
}

// ForgetThose is Forget for members whose ids are no longer known: gone recognizes each of them. It reads all
// Leads and Contacts that have a member's id.
func (c *Connector) ForgetThose(ctx context.Context, gone func(domain.MemberID) bool) error {
	if !c.Configured() {
		return mailroom.ErrNotConfigured
	}
	c.users.forgetAll()
	for _, object := range peopleObjects {
		for after := ""; ; {
			last, rows, err := c.peopleAfter(ctx, object, after, gone)
			if err == nil {
				err = c.emptyPeople(ctx, rows)
			}
			if err != nil {
				return fmt.Errorf("forget members in Salesforce: %w", err)
			}
			if after = last; after == "" {
				break
			}
		}
	}
	return nil
}

// emptyPeople writes rows and logs those that the org refuses for good. A refusal that may pass is an error.
func (c *Connector) emptyPeople(ctx context.Context, rows []change) error {
	faults, err := c.update(ctx, rows)
	if err != nil {
		return err
	}
	for i, f := range faults {
		switch {
		case f == nil:
		case f.Class == domain.Locked || f.Class == domain.Unreachable || f.Class == domain.SessionEnded || f.Class == domain.LimitReached:
			return f
		default:
			c.log.WarnContext(ctx, "the org keeps the id of an erased member: empty InMail_Member_Id__c there",
				"object", rows[i].object, "record", rows[i].id, "answer", f.Detail())
		}
	}
	return nil
}

// change is an update of a record by its id.
type change struct {
	object, id string
	fields     map[string]any
}

// taskCopy is a Task as a query for its texts returns it.
type taskCopy struct {
	ID          string `json:"Id"`
	Deleted     bool   `json:"IsDeleted"`
	Archived    bool   `json:"IsArchived"`
	Key         string `json:"InMail_Event_Id__c"`
	Subject     any    `json:"Subject"`
	Description any    `json:"Description"`
	Owner       string `json:"OwnerId"`
}

// tasksOf returns the query for the Tasks of InMails. It asks queryAll, because a query does not show what
// the org has archived, which are closed Tasks that are older than a year, nor what is in the recycle bin.
func tasksOf(inmails []domain.ID, read func(taskCopy)) *query {
	var events []string
	for _, id := range inmails {
		events = append(events, eventID(id, sentEvent), eventID(id, repliedEvent))
	}
	return &query{deleted: true, n: len(events), soql: func(part []int) string {
		return "SELECT Id, IsDeleted, IsArchived, InMail_Event_Id__c, Subject, Description, OwnerId FROM Task WHERE InMail_Event_Id__c IN " +
			in(pick(events, part))
	}, read: func(record []byte) error {
		var t taskCopy
		err := json.Unmarshal(record, &t)
		if err == nil {
			read(t)
		}
		return err
	}}
}

// erasedTasks returns changes that remove the texts from the Tasks of InMails, archived ones included, and
// give what an erased sender owned to the integration user. What is in the recycle bin cannot be changed,
// neither a Task nor a record: it is logged by its id, for the org's administrator.
func (c *Connector) erasedTasks(ctx context.Context, works []*work) (rows []change, err error) {
	binned := map[string]string{} // objects by ids
	var ids []string
	var inmails []domain.ID
	senderless := map[string]bool{}
	for _, w := range works {
		id := w.push.InMail.ID
		ids, inmails = append(ids, string(id)), append(inmails, id)
		senderless[string(id)] = w.push.InMail.Sender == domain.Erased
	}
	user := ""
	if s := c.current.Load(); s != nil {
		user = s.user
	}
	tasks := tasksOf(inmails, func(t taskCopy) {
		event := eventOf(t.Key)
		moves := user != "" && t.Owner != user && senderless[strings.TrimSuffix(t.Key, ":"+event)]
		plain := isPlain(event, t.Subject, t.Description)
		switch {
		case t.Deleted && !plain:
			binned[t.ID] = taskObject
		case t.Deleted || plain && !moves:
		default:
			fields := plainTask(event)
			if moves {
				fields[ownerColumn] = user
			}
			rows = append(rows, change{taskObject, t.ID, fields})
		}
	})
	records := &query{deleted: true, n: len(ids), soql: func(part []int) string {
		return "SELECT Id FROM InMail__c WHERE IsDeleted = true AND InMail_Id__c IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var r struct {
			ID string `json:"Id"`
		}
		err := json.Unmarshal(record, &r)
		binned[r.ID] = inMailObject
		return err
	}}
	if err = c.ask(ctx, tasks, records); err == nil {
		c.emptyBin(ctx, binned)
	}
	return rows, err
}

// emptyBin removes records from the org's recycle bin for good, as far as the org lets the integration user:
// those that it deleted itself. Others are logged by their ids, for the org's administrator. binned has the
// objects by ids.
func (c *Connector) emptyBin(ctx context.Context, binned map[string]string) {
	for part := range slices.Chunk(slices.Sorted(maps.Keys(binned)), collection) {
		removed, err := c.emptyBinOf(ctx, part)
		if err != nil {
			c.log.WarnContext(ctx, "empty the org's recycle bin", "answer", asFault(err).Detail())
		}
		for _, id := range part {
			if !removed[id] {
				c.log.WarnContext(ctx, "the org's recycle bin keeps texts that are to go: empty the bin there",
					"object", binned[id], "record", id)
			}
		}
	}
}

// emptyBinOf makes one call for up to 200 records. Only the SOAP API can empty a recycle bin.
func (c *Connector) emptyBinOf(ctx context.Context, ids []string) (removed map[string]bool, err error) {
	var operation strings.Builder
	for _, id := range ids {
		operation.WriteString("<ids>" + id + "</ids>")
	}
	s, err := c.session(ctx, "")
	if err != nil {
		return nil, err
	}
	var got struct {
		Results []struct {
			ID      string `xml:"id"`
			Success bool   `xml:"success"`
		} `xml:"Body>emptyRecycleBinResponse>result"`
	}
	err = c.soap(ctx, s, "u", partnerNamespace, "<emptyRecycleBin>"+operation.String()+"</emptyRecycleBin>", &got)
	removed = map[string]bool{}
	for _, r := range got.Results {
		removed[r.ID] = r.Success
	}
	return removed, err
}

// peopleObjects are the objects whose records may have a member's id.
var peopleObjects = []string{"Contact", "Lead"}

// peopleOf returns changes that empty the ids of members in the Leads and Contacts that have them.
func (c *Connector) peopleOf(ctx context.Context, ids []domain.MemberID) (rows []change, err error) {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	var queries []*query
	for _, object := range peopleObjects {
		queries = append(queries, &query{n: len(texts), soql: func(part []int) string {
			return "SELECT Id, InMail_Member_Id__c FROM " + object +
				" WHERE InMail_Member_Id__c IN " + in(pick(texts, part))
		}, read: func(record []byte) error {
			var p person
			err := json.Unmarshal(record, &p)
			if slices.Contains(texts, p.Member) { // the org ignores case when it compares
				rows = append(rows, c.forgotten(object, p.ID))
			}
			return err
		}})
	}
	return rows, c.ask(ctx, queries...)
}

// peoplePage is how many Leads or Contacts are read in one call.
const peoplePage = 2000

// peopleAfter returns changes that empty the ids which gone accepts, for the page of records after an id.
// last is the id after which the next page begins; it is empty after the last page.
func (c *Connector) peopleAfter(
	ctx context.Context, object, after string, gone func(domain.MemberID) bool,
) (last string, rows []change, err error) {
	where := "InMail_Member_Id__c != null"
	if after != "" {
		where += " AND Id > " + quote(after)
	}
	n := 0
	err = c.ask(ctx, &query{n: 1, soql: func([]int) string {
		return fmt.Sprintf("SELECT Id, InMail_Member_Id__c FROM %s WHERE %s ORDER BY Id LIMIT %d",
			object, where, peoplePage)
	}, read: func(record []byte) error {
		var p person
		err := json.Unmarshal(record, &p)
		n, last = n+1, p.ID
		if gone(domain.MemberID(p.Member)) {
			rows = append(rows, c.forgotten(object, p.ID))
		}
		return err
	}})
	if n < peoplePage {
		last = ""
	}
	return last, rows, err
}

// forgotten empties what a Lead or Contact has of a member.
func (c *Connector) forgotten(object, id string) change {
	row := change{object, id, map[string]any{}}
	if c.config.PersonFields {
		row = withoutPersonFields(id)
	}
	row.fields["InMail_Member_Id__c"] = nil
	return row
}

// update changes records by their ids, five collections in a call. faults[i] belongs to rows[i] and is nil
// when the org took the row. A collection that meets a limit of the org's automation is halved.
func (c *Connector) update(ctx context.Context, rows []change) ([]*Fault, error) {
	faults := make([]*Fault, len(rows))
	var parts [][]int // indexes of rows
	for at := range slices.Chunk(indexes(len(rows)), collection) {
		size := collection
		for _, i := range at {
			size = min(size, c.chunks.rows(rows[i].object, c.clock.Now()))
		}
		parts = append(parts, slices.Collect(slices.Chunk(at, size))...)
	}
	for len(parts) > 0 {
		now := parts[:min(maxHeavy, len(parts))]
		parts = parts[len(now):]
		var subs []subrequest
		for i, part := range now {
			subs = append(subs, updateStep(c.root(), fmt.Sprintf("u%d", i), pick(rows, part)))
		}
		answers, err := c.composite(ctx, subs)
		if err != nil {
			return nil, err
		}
		for i, a := range answers {
			if a.fault != nil {
				return nil, a.fault
			}
			var results []rowResult
			if err := json.Unmarshal(a.body, &results); err != nil || len(results) != len(now[i]) {
				return nil, unanswered(http.StatusOK, errors.New("a collection has not one answer a row"))
			}
			var tight []int
			for k, r := range results {
				if r.Success {
					continue
				}
				f := rowFault(r)
				if f.Chunk && len(now[i]) > 1 {
					tight = append(tight, now[i][k])
					continue
				}
				faults[now[i][k]] = f
			}
			parts = append(parts, slices.Collect(slices.Chunk(tight, max(1, len(now[i])/2)))...)
		}
	}
	return faults, nil
}

// updateTasks changes Tasks. One that the org gives to no other owner is changed without that.
func (c *Connector) updateTasks(ctx context.Context, rows []change) ([]*Fault, error) {
	faults, err := c.update(ctx, rows)
	var kept []int
	for i, f := range faults {
		if _, owner := rows[i].fields[ownerColumn]; owner && f != nil {
			delete(rows[i].fields, ownerColumn)
			kept = append(kept, i)
		}
	}
	if err != nil || kept == nil {
		return faults, err
	}
	again, err := c.update(ctx, pick(rows, kept))
	for i, f := range again {
		faults[kept[i]] = f
	}
	return faults, err
}

// indexes returns 0 to n-1.
func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func updateStep(root, ref string, rows []change) subrequest {
	records := make([]any, len(rows))
	for i, r := range rows {
		r.fields["attributes"] = map[string]string{"type": r.object}
		r.fields["id"] = r.id
		records[i] = r.fields
	}
	return subrequest{Method: http.MethodPatch, URL: root + "composite/sobjects", Ref: ref,
		// A Lead's assignment rules must not give it to another owner because its member id is emptied.
		Header: map[string]string{"Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true"},
		Body:   map[string]any{"allOrNone": false, "records": records}}
}

// eraseTasks empties the Tasks of erased InMails that are pushed from scratch, and of those whose texts were
// dropped by age or may not leave any more. No new Task is made for an erased InMail.
func (c *Connector) eraseTasks(ctx context.Context, works []*work) {
	var erased []*work
	for _, w := range works {
		if (!w.settled || w.dropped) && c.mustEmptyTasks(w) {
			erased = append(erased, w)
		}
	}
	if len(erased) == 0 {
		return
	}
	rows, err := c.erasedTasks(ctx, erased)
	var faults []*Fault
	if err == nil {
		faults, err = c.updateTasks(ctx, rows)
	}
	for _, w := range erased {
		if err != nil {
			w.note(erasePart, asFault(err), true)
			continue
		}
		if w.erased() {
			noteLogged(&w.link, sentEvent, repliedEvent)
			continue
		}
		notes := maps.Clone(w.link.Notes)
		notes[textsNote] = droppedTexts
		w.link.Notes = notes
	}
	for _, f := range faults {
		if f == nil {
			continue
		}
		for _, w := range erased { // a fault is not traced to its InMail, so all are tried again
			w.link.Notes = w.push.Link.Notes
			if w.erased() {
				w.link.Notes = nil
			}
			w.note(erasePart, f, true)
		}
	}
}
