package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"inmail/domain"
)

// way is a question by which people are looked for: an object of the org and the field that is compared.
type way struct{ object, field string }

func (w way) String() string { return w.object + "." + w.field }

// These are all ways. A way by Id is only asked for ids that a sender gave, and for parents that were lost.
var (
	personWays = []way{{"Contact", "InMail_Member_Id__c"}, {"Contact", "Email"}, {"Lead", "InMail_Member_Id__c"}, {"Lead", "Email"}}
	idWays     = []way{{"Contact", "Id"}, {"Lead", "Id"}, {"Account", "Id"}}
)

// wayRest is how long a way is left out that the org does not answer: its field is encrypted, or field-level
// security or the object's permissions hide it.
const wayRest = 24 * time.Hour

// ways are the ways that are left out.
type ways struct {
	mu    sync.Mutex
	until map[way]time.Time
}

// closed says that a way is left out now.
func (ws *ways) closed(w way, now time.Time) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return now.Before(ws.until[w])
}

func (ws *ways) close(w way, until time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.until == nil {
		ws.until = map[way]time.Time{}
	}
	ws.until[w] = until
}

// open lets every way be asked again.
func (ws *ways) open() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.until = nil
}

// closeWays finds out which of the ways the org refuses, after it has refused questions that used several,
// and leaves those out until tomorrow. It returns err when the fault is not of a way, or when every way is
// refused: then nobody can be looked for.
func (c *Connector) closeWays(ctx context.Context, tried []way, err error) error {
	if asFault(err).Class != domain.Configuration {
		return err
	}
	now := c.clock.Now()
	var open []way
	for _, w := range tried {
		if !c.ways.closed(w, now) {
			open = append(open, w)
		}
	}
	refused := map[way]*Fault{}
	for len(open) > 0 {
		some := open[:min(maxHeavy, len(open))]
		open = open[len(some):]
		subs := make([]subrequest, len(some))
		for i, w := range some {
			value := "no-such-member"
			if w.field == "Id" {
				value = map[string]string{"Contact": contactPrefix, "Lead": leadPrefix, "Account": accountPrefix, "User": userPrefix}[w.object] + "000000000000"
			}
			soql := fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (%s) LIMIT 1", w.field, w.object, w.field, quote(value))
			subs[i] = subrequest{Method: http.MethodGet, URL: c.root() + "query?q=" + escapeQuery(soql), Ref: fmt.Sprintf("w%d", i)}
		}
		answers, askErr := c.composite(ctx, subs)
		if askErr != nil {
			return askErr
		}
		for i, a := range answers {
			if a.fault != nil && a.fault.Class == domain.Configuration {
				refused[some[i]] = a.fault
			} else if a.fault != nil {
				return a.fault
			}
		}
	}
	if len(refused) == 0 {
		return err
	}
	left := 0
	for _, w := range tried {
		if refused[w] == nil && !c.ways.closed(w, now) {
			left++
		}
	}
	if left == 0 {
		return err
	}
	for w, f := range refused {
		c.ways.close(w, now.Add(wayRest))
		c.log.WarnContext(ctx, "the org does not answer by whom a field belongs to, so people are not looked for by it",
			"field", w.String(), "answer", f.Detail(), "until", now.Add(wayRest))
	}
	return nil
}
