package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"inmail/domain"
)

// Erased is what an erasure did in the org.
type Erased struct {
	Records int    // of InMail__c, emptied
	Tasks   int    // emptied
	People  int    // Leads and Contacts whose InMail_Member_Id__c was emptied
	Left    []Left // what the org did not let us empty: for its administrator
}

// Left is a record that still holds something of an erased member.
type Left struct {
	ID     string // of the org's record
	Detail string // the org's codes
}

// Erase takes a member out of the org (R60): its ids, its names and every text of the InMails that it sent or received, out of their records
// and Tasks, and its id out of the Leads and Contacts that hold it. The records stay, with their times, so that figures do not
// change. It may be repeated. An error says that not all was looked at; what the org refused stands in Left.
func (c *Connector) Erase(ctx context.Context, member domain.MemberID, inmails []domain.ID) (e Erased, err error) {
	records, err := c.erasedRecords(ctx, member, inmails)
	if err != nil {
		return e, fmt.Errorf("erase a member's InMails in Salesforce: %w", err)
	}
	tasks, err := c.erasedTasks(ctx, inmails)
	if err != nil {
		return e, fmt.Errorf("erase a member's Tasks in Salesforce: %w", err)
	}
	people, err := c.erasedPeople(ctx, member)
	if err != nil {
		return e, fmt.Errorf("erase a member's id in Salesforce: %w", err)
	}
	for _, part := range []struct {
		rows []change
		done *int
	}{{records, &e.Records}, {tasks, &e.Tasks}, {people, &e.People}} {
		faults, err := c.update(ctx, part.rows)
		if err != nil {
			return e, fmt.Errorf("erase a member in Salesforce: %w", err)
		}
		for i, f := range faults {
			if f != nil {
				e.Left = append(e.Left, Left{ID: part.rows[i].id, Detail: f.Detail()})
				continue
			}
			*part.done++
		}
	}
	return e, nil
}

// change is an update of one record by its id.
type change struct {
	object, id string
	fields     map[string]any
}

// erasedRecords are the records of InMails without what is of the member.
func (c *Connector) erasedRecords(ctx context.Context, member domain.MemberID, inmails []domain.ID) (rows []change, err error) {
	q := &query{n: len(inmails), soql: func(part []int) string {
		return "SELECT Id, Sender_Member__c, Recipient_Member__c FROM InMail__c WHERE InMail_Id__c IN " + in(pickIDs(inmails, part))
	}, read: func(record []byte) error {
		var r struct {
			ID        string `json:"Id"`
			Sender    string `json:"Sender_Member__c"`
			Recipient string `json:"Recipient_Member__c"`
		}
		if err := json.Unmarshal(record, &r); err != nil {
			return err
		}
		fields := map[string]any{"Subject__c": nil, "Preview__c": nil, "Body__c": nil}
		if r.Sender == string(member) {
			fields["Sender_Member__c"], fields["Sender_Name__c"] = nil, nil
		}
		if r.Recipient == string(member) {
			fields["Recipient_Member__c"], fields["Recipient_Name__c"] = nil, nil
			setParents(fields, parents{Match: domain.Unmatched})
		}
		rows = append(rows, change{inMailObject, r.ID, fields})
		return nil
	}}
	return rows, c.ask(ctx, q)
}

func pickIDs(ids []domain.ID, at []int) []string {
	out := make([]string, len(at))
	for i, n := range at {
		out[i] = string(ids[n])
	}
	return out
}

// erasedTasks are the Tasks of InMails without texts.
func (c *Connector) erasedTasks(ctx context.Context, inmails []domain.ID) (rows []change, err error) {
	var events []string
	for _, id := range inmails {
		events = append(events, eventID(id, sentEvent), eventID(id, repliedEvent))
	}
	q := &query{n: len(events), soql: func(part []int) string {
		return "SELECT Id, InMail_Event_Id__c FROM Task WHERE InMail_Event_Id__c IN " + in(pick(events, part))
	}, read: func(record []byte) error {
		var r struct {
			ID    string `json:"Id"`
			Event string `json:"InMail_Event_Id__c"`
		}
		if err := json.Unmarshal(record, &r); err != nil {
			return err
		}
		subject := sentSubject
		if strings.HasSuffix(r.Event, ":"+repliedEvent) {
			subject = repliedSubject
		}
		rows = append(rows, change{taskObject, r.ID, map[string]any{"Subject": subject, "Description": nil}})
		return nil
	}}
	return rows, c.ask(ctx, q)
}

// erasedPeople are the Leads and Contacts that hold the member's id, without it.
func (c *Connector) erasedPeople(ctx context.Context, member domain.MemberID) (rows []change, err error) {
	var queries []*query
	for _, object := range []string{"Contact", "Lead"} {
		queries = append(queries, &query{n: 1, soql: func([]int) string {
			return "SELECT Id, InMail_Member_Id__c FROM " + object + " WHERE InMail_Member_Id__c = " + quote(string(member))
		}, read: func(record []byte) error {
			var p person
			err := json.Unmarshal(record, &p)
			if p.Member == string(member) {
				rows = append(rows, change{object, p.ID, map[string]any{"InMail_Member_Id__c": nil}})
			}
			return err
		}})
	}
	return rows, c.ask(ctx, queries...)
}

// update changes records by their ids, five collections a call. faults[i] is for rows[i]; nil: it was taken.
func (c *Connector) update(ctx context.Context, rows []change) ([]*Fault, error) {
	faults := make([]*Fault, 0, len(rows))
	for part := range slices.Chunk(rows, maxHeavy*collection) {
		var subs []subrequest
		for rows := range slices.Chunk(part, collection) {
			subs = append(subs, updateStep(c.root(), fmt.Sprintf("u%d", len(subs)), rows))
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
			want := min(collection, len(part)-i*collection)
			if err := json.Unmarshal(a.body, &results); err != nil || len(results) != want {
				return nil, unanswered(http.StatusOK, errors.New("a collection has not one answer a row"))
			}
			for _, r := range results {
				if r.Success {
					faults = append(faults, nil)
				} else {
					faults = append(faults, rowFault(r))
				}
			}
		}
	}
	return faults, nil
}

func updateStep(root, ref string, rows []change) subrequest {
	records := make([]any, len(rows))
	for i, r := range rows {
		r.fields["attributes"] = map[string]string{"type": r.object}
		r.fields["id"] = r.id
		records[i] = r.fields
	}
	return subrequest{Method: http.MethodPatch, URL: root + "composite/sobjects", Ref: ref,
		// A Lead's assignment rules must not move it because its member id is emptied.
		Header: map[string]string{"Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true"},
		Body:   map[string]any{"allOrNone": false, "records": records}}
}

// eraseTasks empties the Tasks of erased InMails that are pushed from scratch. None is made for them any more.
func (c *Connector) eraseTasks(ctx context.Context, works []*work) {
	var ids []domain.ID
	var erased []*work
	for _, w := range works {
		if l := w.push.Link; !w.settled && w.erased() && c.config.Tasks && (!l.SentTask || !l.RepliedTask) {
			erased, ids = append(erased, w), append(ids, w.push.InMail.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	rows, err := c.erasedTasks(ctx, ids)
	var faults []*Fault
	if err == nil {
		faults, err = c.update(ctx, rows)
	}
	for _, w := range erased {
		if err != nil {
			w.task, w.sent = asFault(err), true
			continue
		}
		w.link.SentTask, w.link.RepliedTask = true, true
	}
	for _, f := range faults {
		if f == nil {
			continue
		}
		for _, w := range erased { // which of them it was is not worth telling: all are looked at again
			w.link.SentTask, w.link.RepliedTask, w.task = false, false, f
		}
	}
}
