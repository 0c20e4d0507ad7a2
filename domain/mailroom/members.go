package mailroom

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"inmail/domain"
)

// PutMembers inserts or replaces members; errs[i] answers ms[i] and is nil or a *domain.Refusal. A change of
// plan or account type takes effect at once (R07). A refused member does not affect the others.
func (svc *Service) PutMembers(ctx context.Context, ms []domain.Member) (errs []error, err error) {
	errs = make([]error, len(ms))
	var good []int // indexes of ms
	var ids []domain.MemberID
	for i := range ms {
		if errs[i] = svc.checkMember(&ms[i]); errs[i] == nil {
			errs[i] = cmp.Or(domain.CheckName(ms[i].Name), domain.CheckPhotoURL(ms[i].PhotoURL))
		}
		if errs[i] == nil {
			good, ids = append(good, i), append(ids, ms[i].ID)
		}
	}
	if len(good) == 0 {
		return errs, nil
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.LockMembers(unique(ids)); err != nil {
			return err
		}
		gone, err := erasing(tx)
		if err != nil {
			return err
		}
		var free []*domain.Member
		for _, i := range good {
			if errs[i] = nil; slices.Contains(gone, ms[i].ID) {
				errs[i] = refuse(domain.Conflict,
					"the member who had this id is being erased; try again in a few seconds")
				continue
			}
			ms[i].CreatedAt = tx.Now()
			free = append(free, &ms[i])
		}
		return tx.PutMembers(free, svc.policy.AnchorDay, svc.allowance)
	})
	if err != nil {
		return nil, fmt.Errorf("store %d members: %w", len(good), err)
	}
	return errs, nil
}

func (svc *Service) checkMember(m *domain.Member) error {
	texts := []string{m.Name, m.Headline, m.PhotoURL, m.Company, m.Email.Reveal(), m.Team}
	for _, t := range append(texts, m.Skills...) {
		if err := CheckText(t); err != nil {
			return err
		}
	}
	return m.Validate(svc.plans)
}

// ChangeMember applies change to a stored member and returns the result. change may refuse. A new account
// type without a new plan gets the smallest plan of the type (API.md).
func (svc *Service) ChangeMember(ctx context.Context, id domain.MemberID,
	change func(*domain.Member) error) (domain.Member, error) {
	var m domain.Member
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.LockMembers([]domain.MemberID{id}); err != nil {
			return err
		}
		found, err := tx.Members([]domain.MemberID{id})
		if err != nil {
			return err
		}
		if found[id] == nil {
			return refuse(domain.NotFound, "there is no member with this id")
		}
		m = *found[id]
		before := m
		if err := change(&m); err != nil {
			return err
		}
		if m.AccountType != before.AccountType && m.Plan == before.Plan {
			m.Plan = ""
		}
		// What was stored before these rules stays until it is changed.
		if m.PhotoURL != before.PhotoURL {
			if err := domain.CheckPhotoURL(m.PhotoURL); err != nil {
				return err
			}
		}
		if m.Name != before.Name {
			if err := domain.CheckName(m.Name); err != nil {
				return err
			}
		}
		if err := svc.checkMember(&m); err != nil {
			return err
		}
		return tx.PutMembers([]*domain.Member{&m}, svc.policy.AnchorDay, svc.allowance)
	})
	return m, wrap("change a member", err)
}

// Member returns a stored member; not_found when there is none.
func (svc *Service) Member(ctx context.Context, id domain.MemberID) (domain.Member, error) {
	var m domain.Member
	err := svc.record.View(ctx, func(tx Tx) error {
		found, err := tx.Members([]domain.MemberID{id})
		if err != nil {
			return err
		}
		if found[id] == nil {
			return refuse(domain.NotFound, "there is no member with this id")
		}
		m = *found[id]
		return nil
	})
	return m, wrap("read a member", err)
}

// Credits returns a member and the credits that are left now (R02–R11).
func (svc *Service) Credits(ctx context.Context, id domain.MemberID) (domain.Member, domain.Credits, error) {
	m, err := svc.Member(ctx, id)
	if err != nil {
		return m, domain.Credits{}, err
	}
	var c domain.Credits
	err = svc.record.View(ctx, func(tx Tx) error {
		accounts, err := svc.accounts(tx, []domain.MemberID{id})
		if err != nil {
			return err
		}
		c = domain.CreditsAt(tx.Now(), accounts[id], svc.policy.RolloverPeriods)
		return nil
	})
	return m, c, wrap("compute credits", err)
}

// Connect makes pairs 1st-degree connections, both ways (R12); errs[i] answers pairs[i].
func (svc *Service) Connect(ctx context.Context, pairs []Pair) ([]error, error) {
	return svc.relate(ctx, "connect", pairs, Tx.Connect)
}

// Disconnect ends connections. Pairs that are not connected are no error.
func (svc *Service) Disconnect(ctx context.Context, pairs []Pair) ([]error, error) {
	return svc.relate(ctx, "disconnect", pairs, Tx.Disconnect)
}

// Block stops InMails and replies between the two of each pair, in both directions (R16).
func (svc *Service) Block(ctx context.Context, pairs []Pair) ([]error, error) {
	return svc.relate(ctx, "block", pairs, Tx.Block)
}

// Unblock ends blocks (R16). Pairs without a block are no error.
func (svc *Service) Unblock(ctx context.Context, pairs []Pair) ([]error, error) {
	return svc.relate(ctx, "unblock", pairs, Tx.Unblock)
}

// relate applies do to all pairs of two different members who exist; errs[i] answers pairs[i].
func (svc *Service) relate(ctx context.Context, what string, pairs []Pair,
	do func(Tx, []Pair) error) (errs []error, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		errs = make([]error, len(pairs))
		found, err := tx.Members(sidesOf(pairs))
		if err != nil {
			return err
		}
		var good []Pair
		for i, p := range pairs {
			switch {
			case p.From == p.To:
				errs[i] = refuse(domain.BadRequest, "two different members are needed")
			case found[p.From] == nil || found[p.To] == nil:
				errs[i] = refuse(domain.NotFound, "there is no member with one of these ids")
			default:
				good = append(good, p)
			}
		}
		return do(tx, good)
	})
	if err != nil {
		return nil, fmt.Errorf("%s %d pairs: %w", what, len(pairs), err)
	}
	return errs, nil
}

// MaxBan is the longest value or reason of a ban, in bytes.
const MaxBan = 200

// Ban adds a member or a company to the banned list, at once (R17). The audit stores who did it.
func (svc *Service) Ban(ctx context.Context, v Viewer, b domain.Ban) error {
	if err := checkBan(b.Kind, b.Value); err != nil {
		return err
	}
	if err := CheckText(b.Reason); err != nil {
		return err
	}
	if len(b.Reason) > MaxBan {
		return &domain.Refusal{
			Code: domain.BadRequest, Got: len(b.Reason), Limit: MaxBan, Detail: "the reason is too long",
		}
	}
	b.By = v.KeyID
	err := svc.record.Update(ctx, func(tx Tx) error {
		b.At = tx.Now()
		if err := tx.PutBans([]domain.Ban{b}); err != nil {
			return err
		}
		return tx.AppendAudit([]AuditEntry{svc.banAudit(tx, DecidedBan, b.Kind, b.Value, v)})
	})
	return wrap("ban", err)
}

// Unban removes an entry from the banned list; not_found when there is none.
func (svc *Service) Unban(ctx context.Context, v Viewer, kind domain.BanKind, value string) error {
	if err := checkBan(kind, value); err != nil {
		return err
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		if err := tx.DeleteBan(kind, value); err != nil {
			return err
		}
		return tx.AppendAudit([]AuditEntry{svc.banAudit(tx, DecidedUnban, kind, value, v)})
	})
	return wrap("unban", err)
}

func (svc *Service) banAudit(tx Tx, what string, kind domain.BanKind, value string, v Viewer) AuditEntry {
	e := AuditEntry{ID: string(svc.ids.NewID()), At: tx.Now(), Kind: what, By: v.KeyID}
	if kind == domain.BanMember {
		e.Recipient = domain.MemberID(value)
	}
	return e
}

func checkBan(kind domain.BanKind, value string) error {
	if err := CheckText(value); err != nil {
		return err
	}
	switch kind {
	case domain.BanMember:
		return domain.MemberID(value).Validate()
	case domain.BanCompany:
		if n := len(domain.FoldCompany(value)); n < 1 || n > MaxBan {
			detail := fmt.Sprintf("a company's name has 1 to %d bytes", MaxBan)
			return &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: MaxBan, Detail: detail}
		}
		return nil
	}
	return refuse(domain.BadRequest, "the kind of a ban is one of %s", domain.OneOf(domain.BanKinds()))
}

// Bans lists the banned members and companies, newest first.
func (svc *Service) Bans(ctx context.Context, p Page) (bans []domain.Ban, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		bans, err = tx.Bans(p)
		return err
	})
	return bans, wrap("list the banned", err)
}

// unique returns the different ids, sorted.
func unique(ids []domain.MemberID) []domain.MemberID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.Compact(ids)
}
