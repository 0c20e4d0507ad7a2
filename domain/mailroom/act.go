package mailroom

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"inmail/domain"
)

// Act is a call of an operator that changes something, acts for a member or gives out what is held on one
// (R70). It must not hold a text or an e-mail address.
type Act struct {
	By     Viewer
	Call   string          // method and pattern of the path: PUT /v1/members/{id}
	Member domain.MemberID // on whom, or for whom; empty: nobody
	Makes  bool            // it may create the member, so its id is noted although nobody has it yet
	Reads  bool            // it changes nothing: those like it of one minute are one entry with a count
	InMail domain.ID       // on which InMail; empty: none
	From   Origin
}

// Origin is where a request came from.
type Origin struct {
	Address string // of the client
	Request string // the id of the request, which its log line has too
}

type originKey struct{}

// WithOrigin returns a context that knows where its request came from.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns where the request of a context came from; the zero Origin when it does not know.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// actDetail is what the audit keeps of an act beside its columns.
type actDetail struct {
	Call    string `json:"call"`
	KeyName string `json:"key_name,omitempty"`
	From    string `json:"from,omitempty"`
	Request string `json:"request_id,omitempty"`
}

// CallOf returns the call of an entry that is an act; found is false for other entries.
func CallOf(e AuditEntry) (call string, found bool) {
	var d actDetail
	if e.Kind != DecidedAct || json.Unmarshal(e.Detail, &d) != nil {
		return "", false
	}
	return d.Call, true
}

// NoteAct appends an act to the audit. When it returns nil, the act is stored; the caller does what was asked
// only then, so that nothing happens without its entry (R70). Acts that come while others are being stored
// are stored together by the next transaction.
func (svc *Service) NoteAct(ctx context.Context, act Act) error {
	if act.From == (Origin{}) {
		act.From = OriginOf(ctx)
	}
	detail, err := json.Marshal(actDetail{Call: act.Call, KeyName: act.By.KeyName, From: act.From.Address,
		Request: act.From.Request})
	if err != nil {
		return fmt.Errorf("note an act: %w", err)
	}
	entry := AuditEntry{ID: string(svc.ids.NewID()), Kind: DecidedAct, InMail: act.InMail, Sender: act.Member,
		By: act.By.KeyID, Detail: detail}
	return wrap("note an operator's act", svc.acts.store(ctx, noted{entry, act}, svc.storeActs))
}

// noted is an act on its way into the audit.
type noted struct {
	AuditEntry
	act Act
}

// storeActs stores acts in one transaction. It does so in a held record too, where operators may still act.
// Of a member who is not known, or no longer, no id is stored: an erasure would not find it (R60).
func (svc *Service) storeActs(ctx context.Context, acts []noted) error {
	return svc.record.UpdateHeld(ctx, func(tx Tx) error {
		var ids []domain.MemberID
		for _, a := range acts {
			if a.Sender != "" {
				ids = append(ids, a.Sender)
			}
		}
		ids = unique(ids)
		if err := tx.LockMembers(ids); err != nil { // an erasure of them waits, or is over
			return err
		}
		known, err := tx.Members(ids)
		if err != nil {
			return err
		}
		entries := make([]AuditEntry, len(acts))
		for i, a := range acts {
			entries[i] = a.AuditEntry
			entries[i].At = tx.Now()
			if known[a.Sender] == nil && !a.act.Makes {
				entries[i].Sender = ""
			}
			if a.act.Reads {
				entries[i].Same = sameRead(entries[i], a.act)
			}
		}
		return tx.AppendAudit(entries)
	})
}

// maxActs is how many acts one transaction stores.
const maxActs = 500

// actsTogether stores acts of concurrent calls together.
type actsTogether struct {
	mu      sync.Mutex
	storing bool
	waiting []waitingAct
}

type waitingAct struct {
	entry noted
	done  chan error // has room for the one answer
}

// store stores one entry by save and returns its error. The call that finds nobody storing stores for all who
// wait, until nobody does.
func (a *actsTogether) store(ctx context.Context, entry noted, save func(context.Context, []noted) error) error {
	mine := waitingAct{entry, make(chan error, 1)}
	a.mu.Lock()
	a.waiting = append(a.waiting, mine)
	leads := !a.storing
	a.storing = true
	a.mu.Unlock()
	if leads {
		// The others must not lose their entries when this caller goes away.
		go a.storeAll(context.WithoutCancel(ctx), save)
	}
	select {
	case err := <-mine.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *actsTogether) storeAll(ctx context.Context, save func(context.Context, []noted) error) {
	for {
		a.mu.Lock()
		n := min(len(a.waiting), maxActs)
		batch := a.waiting[:n:n]
		a.waiting = a.waiting[n:]
		a.storing = n > 0
		a.mu.Unlock()
		if n == 0 {
			return
		}
		entries := make([]noted, n)
		for i, w := range batch {
			entries[i] = w.entry
		}
		err := save(ctx, entries)
		for _, w := range batch {
			w.done <- err
		}
	}
}
