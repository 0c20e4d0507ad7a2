package mailroom

import (
	"context"

	"inmail/domain"
)

// MemberFilter narrows a list of members. An empty field does not narrow it.
type MemberFilter struct {
	Words      []string // each begins a word of the member's name, headline or company (domain.QueryWords)
	Company    []string // each begins a word of the company
	Visible    bool     // only visible profiles (R14)
	Restricted bool     // only members who are restricted now (R42)
}

// MemberQuery asks for members.
type MemberQuery struct {
	Text       string // words of name, headline or company begin so; empty: all
	Company    string // words of the company begin so; empty: any
	Restricted bool   // for operators
}

// NameCursor separates the name from the id in the cursor of a list by name.
const NameCursor = "\x00"

// NameCursorOf returns the cursor behind a member in a list by name.
func NameCursorOf(m *domain.Member) Cursor {
	return Cursor{ID: domain.NameKey(m.Name) + NameCursor + string(m.ID)}
}

// FindMembers lists members by name: for a bare operator all, for others the visible profiles (R01, R14).
func (svc *Service) FindMembers(ctx context.Context, v Viewer, q MemberQuery,
	p Page) (found []*domain.Member, err error) {
	f := MemberFilter{Visible: !v.Operator, Restricted: q.Restricted}
	if q.Restricted && !v.Operator {
		return nil, refuse(domain.Forbidden, "who is restricted is for operators")
	}
	if q.Text != "" {
		if f.Words, err = domain.QueryWords(q.Text); err != nil {
			return nil, err
		}
	}
	if q.Company != "" {
		if f.Company, err = domain.QueryWords(q.Company); err != nil {
			return nil, err
		}
	}
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		found, err = tx.FindMembers(f, p)
		return err
	})
	return found, wrap("find members", err)
}

// stateNames says that all members have the words by which they are found.
const stateNames = "names_indexed"

// IndexNames stores the words by which members are found for those who have none, because an earlier version
// of the program stored them. It may be interrupted at any point; the next call goes on.
func (svc *Service) IndexNames(ctx context.Context) error {
	const part = 200
	done := false
	err := svc.record.View(ctx, func(tx Tx) error {
		known, err := state[bool](tx, stateNames)
		done = known != nil && *known
		return err
	})
	for last := domain.MemberID(""); err == nil && !done; {
		after := last
		err = svc.record.Update(ctx, func(tx Tx) (err error) {
			if last, err = tx.IndexNames(after, part); err != nil || last != "" {
				return err
			}
			return setState(tx, stateNames, true)
		})
		done = last == ""
	}
	return wrap("index the names of members", err)
}
