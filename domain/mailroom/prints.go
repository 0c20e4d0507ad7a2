package mailroom

import (
	"sync"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// keptPrints is how many fingerprints each of two sets keeps, some 600 bytes each.
const keptPrints = 4096

// prints remembers the fingerprints of accepted bodies (R41 d). No record has them: they are made of the
// texts when a sender comes near the limit. A process that made one need not make it again for the next send.
// The zero value is ready for use.
type prints struct {
	mu          sync.Mutex
	young, aged map[domain.ID]spam.Fingerprint
}

// keep remembers fingerprints of InMails that are committed.
func (p *prints) keep(made map[domain.ID]spam.Fingerprint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, print := range made {
		if p.young == nil || len(p.young) >= keptPrints {
			p.aged, p.young = p.young, make(map[domain.ID]spam.Fingerprint, 64)
		}
		p.young[id] = print
	}
}

// known returns the fingerprints of those of sends that are remembered.
func (p *prints) known(sends []SendNote) map[domain.ID]spam.Fingerprint {
	known := make(map[domain.ID]spam.Fingerprint, len(sends))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range sends {
		print, ok := p.young[s.InMail]
		if !ok {
			print, ok = p.aged[s.InMail]
		}
		if ok {
			known[s.InMail] = print
		}
	}
	return known
}

// printsOf returns the fingerprints of what a sender sent in the window, newest first, made of the texts.
// What was sent to a member who was erased since has no text any more, and does not count (R60). No other
// text goes so early: retain_days is a day at least.
func (svc *Service) printsOf(tx Tx, sender domain.MemberID, now time.Time) ([]spam.SentPrint, error) {
	sends, err := tx.Sends(sender, now.Add(-spam.SimilarWindow))
	if err != nil {
		return nil, err
	}
	known := svc.prints.known(sends)
	var missing []domain.ID
	var to []domain.MemberID
	for _, s := range sends {
		if _, ok := known[s.InMail]; !ok && s.To != domain.Erased {
			missing, to = append(missing, s.InMail), append(to, s.To)
		}
	}
	if len(missing) > 0 {
		if err := svc.makePrints(tx, missing, to, known); err != nil {
			return nil, err
		}
	}
	made := make([]spam.SentPrint, 0, len(sends))
	for _, s := range sends {
		if print, ok := known[s.InMail]; ok && s.To != domain.Erased {
			made = append(made, spam.SentPrint{At: s.At, Fingerprint: print})
		}
	}
	return made, nil
}

// makePrints adds the fingerprints of InMails to known, and remembers them.
func (svc *Service) makePrints(tx Tx, ids []domain.ID, to []domain.MemberID,
	known map[domain.ID]spam.Fingerprint) error {
	texts, err := tx.InMails(ids)
	if err != nil {
		return err
	}
	members, err := tx.Members(to)
	if err != nil {
		return err
	}
	made := make(map[domain.ID]spam.Fingerprint, len(texts))
	for id, m := range texts {
		made[id] = spam.NewFingerprint(domain.ReadText(m.Subject, m.Body, false).Body.Text(), ownWords(members[m.Recipient])...)
		known[id] = made[id]
	}
	svc.prints.keep(made)
	return nil
}
