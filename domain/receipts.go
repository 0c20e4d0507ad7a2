package domain

import (
	"cmp"
	"slices"
)

// Implied returns the receipts that follow from m alone, by sequence number: no record has to store them
// (R54). An event that takes one of them back would break this, and there is none: only a reply can be taken
// back (Correct), so the receipts of replies, and of what follows from taking one back, are not among them.
func (m *InMail) Implied() []Receipt {
	receipts := make([]Receipt, 0, 5)
	add := func(seq int, s Status, r Receipt) {
		r.InMail, r.Seq, r.Status = m.ID, seq, s
		receipts = append(receipts, r)
	}
	add(1, Queued, Receipt{At: m.AcceptedAt})
	if m.Status == Refused || m.Status == Failed {
		add(2, m.Status, Receipt{At: m.EndedAt, Reason: m.Reason})
		return receipts
	}
	if !m.SentAt.IsZero() {
		add(2, Sent, Receipt{At: m.SentAt})
	}
	if !m.OpenedAt.IsZero() {
		add(3, Opened, Receipt{At: m.OpenedAt})
	}
	last, ended := m.Seq, m.Status == Expired || m.Status == Retracted
	if ended {
		last--
	}
	if !m.DeclinedAt.IsZero() { // final: only a retraction may follow
		add(last, Declined, Receipt{At: m.DeclinedAt})
	}
	if ended {
		add(m.Seq, m.Status, Receipt{At: m.EndedAt})
	}
	return receipts
}

// Implies reports whether r is among the implied receipts.
func (m *InMail) Implies(r Receipt) bool {
	return slices.ContainsFunc(m.Implied(), func(i Receipt) bool {
		return i.Seq == r.Seq && i.Status == r.Status && i.At.Equal(r.At) && i.Reason == r.Reason && i.InMail == r.InMail
	})
}

// Receipts returns all receipts by sequence number: the stored ones, and those implied that are not among
// them (R54).
func (m *InMail) Receipts(stored []Receipt) []Receipt {
	all := slices.Clone(stored)
	for _, r := range m.Implied() {
		if !slices.ContainsFunc(stored, func(s Receipt) bool { return s.Seq == r.Seq }) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Receipt) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}
