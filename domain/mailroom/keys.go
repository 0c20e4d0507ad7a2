package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/domain"
)

// ErrNoKey says that a caller gave no key, or an unknown one.
var ErrNoKey = errors.New("no such key")

// KeyPrefix begins every key that the program makes, so that people and scanners recognise one that leaked.
const KeyPrefix = "inm_"

// MaxKeyName is the longest name of a key, in characters.
const MaxKeyName = 80

// NewKey is the request to make a key.
type NewKey struct {
	Role      Role
	Member    domain.MemberID // whom a member key acts as, who must exist
	Name      string          // for people; may be empty
	ExpiresAt time.Time       // zero: never
	ReadOnly  bool
}

// validate refuses a request that is wrong at any time, with bad_request.
func (n NewKey) validate() error {
	switch {
	case n.Role == RoleOperator && n.Member != "":
		return refuse(domain.BadRequest, "an operator key has no member")
	case n.Role == RoleMember && n.Member == "":
		return refuse(domain.BadRequest, "a member key names its member")
	case n.Role != RoleOperator && n.Role != RoleMember:
		return refuse(domain.BadRequest, "role is operator or member")
	case utf8.RuneCountInString(n.Name) > MaxKeyName:
		return &domain.Refusal{Code: domain.BadRequest, Got: utf8.RuneCountInString(n.Name), Limit: MaxKeyName,
			Detail: fmt.Sprintf("name: it has %d characters of at most %d", utf8.RuneCountInString(n.Name), MaxKeyName)}
	case strings.ContainsFunc(n.Name, unicode.IsControl):
		return refuse(domain.BadRequest, "name: leave line breaks and other control characters out")
	}
	return CheckText(n.Name)
}

// CreateKey makes a key and returns it this once; only its SHA-256 is stored. A member key acts as one
// member.
func (svc *Service) CreateKey(ctx context.Context, v Viewer, n NewKey) (id, key string, err error) {
	if err := n.validate(); err != nil {
		return "", "", err
	}
	secret := svc.ids.NewSecret()
	id, key = string(svc.ids.NewID()), KeyPrefix+hex.EncodeToString(secret[:])
	k := Key{ID: id, Hash: sha256.Sum256([]byte(key)), Role: n.Role, Member: n.Member, Name: n.Name,
		ExpiresAt: n.ExpiresAt, ReadOnly: n.ReadOnly, CreatedBy: v.KeyID}
	err = svc.record.Update(ctx, func(tx Tx) error {
		if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(tx.Now()) {
			return refuse(domain.BadRequest, "expires_at: %s is past; give a later time", k.ExpiresAt.Format(time.RFC3339))
		}
		if k.Member != "" {
			if err := k.Member.Validate(); err != nil {
				return err
			}
			if err := exists(tx, k.Member); err != nil {
				return err
			}
		}
		return storeKey(tx, k)
	})
	return id, key, wrap("make a key", err)
}

// The ids under which the two operator keys of the settings are stored.
const (
	SettingsKey     = "operator"      // INMAIL_OPERATOR_KEY
	NextSettingsKey = "operator_next" // INMAIL_OPERATOR_KEY_NEXT, which holds beside it while keys change
)

// InstallKeys stores the operator keys of the settings, and replaces those of an earlier start. An empty key
// is left as it is stored, an empty next one is deleted. It does so also while the record is held (R61), as
// one of them ends that.
func (svc *Service) InstallKeys(ctx context.Context, key, next string) error {
	err := svc.record.UpdateHeld(ctx, func(tx Tx) error {
		if _, err := tx.DeleteKey(NextSettingsKey); err != nil { // first: its key may be the other's now
			return err
		}
		for _, k := range []Key{{ID: SettingsKey, Name: "INMAIL_OPERATOR_KEY", Hash: sha256.Sum256([]byte(key))},
			{ID: NextSettingsKey, Name: "INMAIL_OPERATOR_KEY_NEXT", Hash: sha256.Sum256([]byte(next))}} {
			if k.Role = RoleOperator; k.Hash == sha256.Sum256(nil) {
				continue
			}
			if err := storeKey(tx, k); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("install the keys of the settings", err)
}

// storeKey stores k, made now. One that is stored again under its id keeps its stamps.
func storeKey(tx Tx, k Key) error {
	earlier, err := tx.KeyByHash(k.Hash)
	if err != nil {
		return err
	}
	if k.CreatedAt = tx.Now(); earlier != nil && earlier.ID == k.ID {
		k.CreatedAt, k.LastUsedAt = earlier.CreatedAt, earlier.LastUsedAt
	} else if earlier != nil {
		return refuse(domain.Conflict, "this key is stored already, under the id %s; use another", earlier.ID)
	}
	return tx.PutKey(k)
}

// Authenticate returns the stored key of a caller; ErrNoKey when there is none, or when it has expired.
func (svc *Service) Authenticate(ctx context.Context, key string) (Key, error) {
	var found *Key
	err := svc.record.View(ctx, func(tx Tx) (err error) {
		found, err = liveKey(tx, sha256.Sum256([]byte(key)))
		return err
	})
	if errors.Is(err, ErrNoKey) {
		return Key{}, ErrNoKey
	}
	if err != nil {
		return Key{}, wrap("look up a key", err)
	}
	return *found, nil
}

// NoteUses stores, to the minute, how long ago keys were last used, by their ids.
func (svc *Service) NoteUses(ctx context.Context, ago map[string]time.Duration) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		for _, id := range slices.Sorted(maps.Keys(ago)) {
			if err := tx.UseKey(id, tx.Now().Add(-ago[id]).Truncate(time.Minute)); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("note the use of keys", err)
}

// liveKey returns the key with a hash that holds now; ErrNoKey when there is none.
func liveKey(tx Tx, hash [32]byte) (*Key, error) {
	found, err := tx.KeyByHash(hash)
	if err == nil && (found == nil || !found.ExpiresAt.IsZero() && !tx.Now().Before(found.ExpiresAt)) {
		return nil, ErrNoKey
	}
	return found, err
}

// Keys lists the stored keys, newest first. The keys themselves are not stored.
func (svc *Service) Keys(ctx context.Context, p Page) (keys []Key, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		keys, err = tx.ListKeys(p)
		return err
	})
	return keys, wrap("list keys", err)
}

// DeleteKey deletes a key, which is unknown from then on; not_found when there is none. The last operator key
// that may change something stays: conflict. Of a person without a key, the id with PersonPrefix ends the
// sessions.
func (svc *Service) DeleteKey(ctx context.Context, id string) error {
	if strings.HasPrefix(id, PersonPrefix) {
		return svc.signOutPerson(ctx, id)
	}
	err := svc.record.Update(ctx, func(tx Tx) error {
		operators, err := tx.LockOperatorKeys()
		if err != nil {
			return err
		}
		if len(operators) == 1 && operators[0] == id {
			return refuse(domain.Conflict, "this is the last operator key that may change something: without it nobody "+
				"could make another; make one first")
		}
		gone, err := tx.DeleteKey(id)
		if err == nil && !gone {
			return refuse(domain.NotFound, "there is no key with this id")
		}
		return err
	})
	return wrap("delete a key", err)
}
