package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"inmail/domain"
)

// The longest lives of a session of the pages and of a one-time link that begins one.
const (
	SessionFor = 12 * time.Hour
	LinkFor    = 24 * time.Hour
)

// Session is a person who is signed in to the pages. It acts by a key, and ends when that key ends, or by
// what a provider of single sign-on says of the person, and ends with its member.
type Session struct {
	Viewer   Viewer
	ReadOnly bool // it changes nothing
	BySSO    bool // it has no key
	EndsAt   time.Time
}

// SignIn begins a session by a key and returns its secret this once, of which only the SHA-256 is stored. It
// fails with ErrNoKey when there is no such key.
func (svc *Service) SignIn(ctx context.Context, shown string) (token string, s Session, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		key, err := liveKey(tx, sha256.Sum256([]byte(shown)))
		if err != nil {
			return err
		}
		token, s, err = svc.begin(tx, *key, key.Member)
		return err
	})
	return token, s, wrap("sign in", err)
}

// begin stores a new session of a key that acts as member; empty: as an operator.
func (svc *Service) begin(tx Tx, key Key, member domain.MemberID) (token string, s Session, err error) {
	token, hash := svc.newToken()
	row := SessionRow{Hash: hash, KeyHash: key.Hash, Member: member, EndsAt: tx.Now().Add(SessionFor)}
	return token, sessionOf(row, key), tx.PutSession(row)
}

func (svc *Service) newToken() (token string, hash [32]byte) {
	secret := svc.ids.NewSecret()
	token = hex.EncodeToString(secret[:])
	return token, sha256.Sum256([]byte(token))
}

// PersonPrefix begins the id of every person whom a provider identified. No key has such an id.
const PersonPrefix = "sso:"

// Identity is somebody whom a provider of single sign-on has identified.
type Identity struct {
	ID       string          // for the audit (R70), with PersonPrefix; it never holds an e-mail address
	Name     string          // for the audit, beside the id: who identified the person
	Member   domain.MemberID // whom it acts as; empty: as an operator
	ReadOnly bool            // it changes nothing
	For      time.Duration   // how long the session may last; at most SessionFor
}

// SignInPerson begins a session of a person and returns its secret this once, of which only the SHA-256 is
// stored. It fails with not_found when there is no such member.
func (svc *Service) SignInPerson(ctx context.Context, p Identity) (token string, s Session, err error) {
	if !strings.HasPrefix(p.ID, PersonPrefix) {
		return "", s, fmt.Errorf("sign in a person: the id of a person begins with %s", PersonPrefix)
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		if p.Member != "" {
			if err := exists(tx, p.Member); err != nil {
				return err
			}
		}
		var hash [32]byte
		token, hash = svc.newToken()
		row := SessionRow{Hash: hash, Member: p.Member, Person: p.ID, PersonName: p.Name, ReadOnly: p.ReadOnly,
			EndsAt: tx.Now().Add(min(p.For, SessionFor))}
		s = sessionOfPerson(row)
		return tx.PutSession(row)
	})
	return token, s, wrap("sign in a person", err)
}

// signOutPerson ends all sessions of a person; not_found when there is none.
func (svc *Service) signOutPerson(ctx context.Context, id string) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		gone, err := tx.DeleteSessionsOf(id)
		if err == nil && !gone {
			return refuse(domain.NotFound, "nobody with this id is signed in")
		}
		return err
	})
	return wrap("sign out a person", err)
}

func sessionOfPerson(row SessionRow) Session {
	operator := row.Member == ""
	return Session{Viewer: Viewer{Member: row.Member, Operator: operator, ByOperator: operator, KeyID: row.Person,
		KeyName: row.PersonName}, ReadOnly: row.ReadOnly, BySSO: true, EndsAt: row.EndsAt}
}

func sessionOf(row SessionRow, key Key) Session {
	v := Viewer{Member: row.Member, KeyID: key.ID, KeyName: key.Name, ByOperator: key.Role == RoleOperator}
	v.Operator = v.ByOperator && row.Member == ""
	return Session{Viewer: v, ReadOnly: key.ReadOnly, EndsAt: row.EndsAt}
}

// MakeSignInLink makes the secret of a link that begins one session, once, within LinkFor. The session acts
// as member, or as an operator when member is empty; a member key makes links for its own member alone.
func (svc *Service) MakeSignInLink(ctx context.Context, key Key,
	member domain.MemberID) (token string, endsAt time.Time, err error) {
	if key.Role == RoleMember && member != key.Member {
		return "", endsAt, refuse(domain.Forbidden, "a member key signs in its own member alone")
	}
	err = svc.record.Update(ctx, func(tx Tx) error {
		if member != "" {
			if err := exists(tx, member); err != nil {
				return err
			}
		}
		if _, err := liveKey(tx, key.Hash); err != nil {
			return err
		}
		var hash [32]byte
		token, hash = svc.newToken()
		endsAt = tx.Now().Add(LinkFor)
		return tx.PutSession(SessionRow{Hash: hash, Link: true, KeyHash: key.Hash, Member: member, EndsAt: endsAt})
	})
	return token, endsAt, wrap("make a sign-in link", err)
}

// LinkOf returns whom a link that was not used yet would sign in. It fails with ErrNoKey when there is no
// such link, or no longer, and uses nothing up.
func (svc *Service) LinkOf(ctx context.Context, token string) (s Session, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		s, _, err = liveSession(tx, token, true)
		return err
	})
	return s, wrap("read a sign-in link", err)
}

// FollowLink begins the session of a link and uses the link up, so that of several who follow it one is
// signed in and the others get ErrNoKey.
func (svc *Service) FollowLink(ctx context.Context, link string) (token string, s Session, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		made, key, err := liveSession(tx, link, true)
		if err != nil {
			return err
		}
		first, err := tx.DeleteSession(sha256.Sum256([]byte(link)))
		if err != nil {
			return err
		}
		if !first {
			return ErrNoKey
		}
		token, s, err = svc.begin(tx, *key, made.Viewer.Member)
		return err
	})
	return token, s, wrap("follow a sign-in link", err)
}

// SessionOf returns the session of a secret; ErrNoKey when there is none, or it has ended.
func (svc *Service) SessionOf(ctx context.Context, token string) (s Session, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		s, _, err = liveSession(tx, token, false)
		return err
	})
	return s, wrap("read a session", err)
}

// SignOut ends a session. One that has ended already is no error.
func (svc *Service) SignOut(ctx context.Context, token string) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		_, err := tx.DeleteSession(sha256.Sum256([]byte(token)))
		return err
	})
	return wrap("sign out", err)
}

// liveSession returns a session, or a link, that holds at Now and whose key does, or of a person whose member
// is there. The key is nil for a person.
func liveSession(tx Tx, token string, link bool) (Session, *Key, error) {
	row, err := tx.SessionByHash(sha256.Sum256([]byte(token)))
	if err != nil {
		return Session{}, nil, err
	}
	if row == nil || row.Link != link || !tx.Now().Before(row.EndsAt) {
		return Session{}, nil, ErrNoKey
	}
	if row.Person != "" {
		return livePerson(tx, *row)
	}
	key, err := liveKey(tx, row.KeyHash)
	if err != nil {
		return Session{}, nil, err
	}
	return sessionOf(*row, *key), key, nil
}

// livePerson returns the session of a person; ErrNoKey when its member was erased.
func livePerson(tx Tx, row SessionRow) (Session, *Key, error) {
	if row.Member == "" {
		return sessionOfPerson(row), nil, nil
	}
	found, err := tx.Members([]domain.MemberID{row.Member})
	if err != nil {
		return Session{}, nil, err
	}
	if found[row.Member] == nil {
		return Session{}, nil, ErrNoKey
	}
	return sessionOfPerson(row), nil, nil
}
