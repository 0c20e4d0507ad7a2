package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// listPages is how many pages of the list of communications a step reads.
const listPages = 10

// listExtra lists some of the portal's communications, from the store, and counts those with a key of ours
// that no InMail of the record has. They are left as they are: the record may have been restored from an
// earlier backup, or belong to another installation. A second communication of an InMail, which a portal
// without unique keys can have, is archived.
func (c *Connector) listExtra(ctx context.Context, p *portal, w *comparison, repairs bool) error {
	for range listPages {
		page, after, err := c.listPage(ctx, communications, w.Listed, p.keyProperty())
		if err != nil {
			return err
		}
		second, err := c.countExtra(ctx, p, w, page)
		if err != nil {
			return err
		}
		if repairs {
			if err := c.archiveSecond(ctx, p, w.record, second); err != nil {
				return err
			}
		} else {
			w.SoFar.RepairCalls += 2 * ((len(second) + maxBatch - 1) / maxBatch)
		}
		if w.Listed = after; after == "" {
			w.SoFar.Done = true
			return nil
		}
	}
	return nil
}

// listPage reads a page of an object's records, and returns the cursor of the next one; empty: there is none.
func (c *Connector) listPage(ctx context.Context, object, after, property string) (page []result, next string, err error) {
	query := url.Values{"limit": {fmt.Sprint(maxBatch)}, "properties": {property}}
	if after != "" {
		query.Set("after", after)
	}
	var list struct {
		Results []result `json:"results"`
		Paging  struct {
			Next struct {
				After string `json:"after"`
			} `json:"next"`
		} `json:"paging"`
	}
	err = c.call(ctx, listing, http.MethodGet, c.path("objects", object)+"?"+query.Encode(), nil, &list)
	return list.Results, list.Paging.Next.After, err
}

// countExtra counts the records of a page that no InMail of the record has, and returns those that are a
// second one of an InMail.
func (c *Connector) countExtra(ctx context.Context, p *portal, w *comparison, page []result) (second []result, err error) {
	ids := map[domain.ID]bool{}
	for _, r := range page {
		if id, _, ok := splitKey(p.keyOf(r)); ok {
			ids[id] = true
		}
	}
	pushes, err := pushesOf(ctx, w.record, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range page {
		k := p.keyOf(r)
		if k == "" { // nobody's of ours
			continue
		}
		id, event, ok := splitKey(k)
		push := pushes[id]
		switch {
		case !ok || push == nil:
			c.log.InfoContext(ctx, "HubSpot has a message of an InMail that is not in the record", "communication", r.ID)
		case isRecord(push.Link, event, r.ID), c.underWay(p, push):
			continue
		case recordOf(push.Link, event) != "":
			second = append(second, r)
		}
		w.SoFar.Drift[extra]++
	}
	return second, nil
}

// recordOf returns the id of the communication of an event that a link knows; empty: none, or removed.
func recordOf(l domain.Link, event string) string {
	if event == sentEvent {
		return l.RecordID
	}
	if id := l.Notes[repliedNote]; id != removed {
		return id
	}
	return ""
}

func isRecord(l domain.Link, event, id string) bool { return recordOf(l, event) == id }

// underWay says that an InMail is to be pushed, or begins anew in this portal, so that its records are found
// by their keys.
func (c *Connector) underWay(p *portal, push *domain.Push) bool {
	l := push.Link
	return l.PushedVersion < push.InMail.Version || len(l.Failures) > 0 || l.Notes[unsureNote] != "" ||
		l.Notes[portalNote] != "" && l.Notes[portalNote] != p.name()
}

// archiveSecond moves second communications to the recycle bin, while no push writes, when the first one is
// still there.
func (c *Connector) archiveSecond(ctx context.Context, p *portal, record mailroom.CRMRecord, second []result) error {
	if len(second) == 0 {
		return nil
	}
	return record.Alone(ctx, func(ctx context.Context) error {
		ids := map[domain.ID]bool{}
		for _, r := range second {
			id, _, _ := splitKey(p.keyOf(r))
			ids[id] = true
		}
		pushes, err := pushesOf(ctx, record, ids)
		if err != nil {
			return err
		}
		var firsts []string
		for _, push := range pushes {
			for _, event := range []string{sentEvent, repliedEvent} {
				if id := recordOf(push.Link, event); id != "" {
					firsts = append(firsts, id)
				}
			}
		}
		found, err := c.read(ctx, communications, "", firsts, p.keyProperty())
		if err != nil {
			return err
		}
		there := map[string]string{} // key → id of the first
		for _, r := range found {
			there[p.keyOf(r)] = r.ID
		}
		var in inputs[key]
		for _, r := range second {
			if first := there[p.keyOf(r)]; first != "" && first != r.ID {
				in.Inputs = append(in.Inputs, key{r.ID})
			}
		}
		for part := range slices.Chunk(in.Inputs, maxBatch) {
			path := c.path("objects", communications, "batch", "archive")
			if err := c.call(ctx, updating, http.MethodPost, path, inputs[key]{part}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// keyForm is the form of a communication's key.
var keyForm = regexp.MustCompile(`^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(sent|replied)$`)

// splitKey returns the InMail and the event of a key.
func splitKey(k string) (id domain.ID, event string, ok bool) {
	m := keyForm.FindStringSubmatch(strings.ToLower(k))
	if m == nil {
		return "", "", false
	}
	return domain.ID(m[1]), m[2], true
}

// pushesOf returns those of ids that the record has. It reads by pages from the first id on.
func pushesOf(ctx context.Context, record mailroom.CRMRecord, ids map[domain.ID]bool) (map[domain.ID]*domain.Push, error) {
	var left []domain.ID
	for id := range ids {
		left = append(left, id)
	}
	slices.Sort(left)
	found := map[domain.ID]*domain.Push{}
	for len(left) > 0 {
		n := 2 * len(left)
		pushes, err := record.PushesAfter(ctx, before(left[0]), n)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		for i := range pushes {
			if id := pushes[i].InMail.ID; ids[id] {
				found[id] = &pushes[i]
			}
		}
		if len(pushes) < n {
			return found, nil
		}
		last := pushes[n-1].InMail.ID
		left = slices.DeleteFunc(left, func(id domain.ID) bool { return id <= last })
	}
	return found, nil
}

// before returns the id before another in their order; empty: there is none.
func before(id domain.ID) domain.ID {
	digits := []byte(id)
	for i := len(digits) - 1; i >= 0; i-- {
		switch d := digits[i]; {
		case d == '-':
		case d == '0':
			digits[i] = 'f'
		case d == 'a':
			digits[i] = '9'
			return domain.ID(digits)
		default:
			digits[i] = d - 1
			return domain.ID(digits)
		}
	}
	return ""
}
