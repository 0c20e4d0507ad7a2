package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"inmail/domain"
)

// ErrNoKey says that a caller gave no key, or an unknown one.
var ErrNoKey = errors.New("no such key")

// KeyPrefix begins every key that the program makes, so that people and scanners recognise one that leaked.
const KeyPrefix = "inm_"

// CreateKey makes a key and returns it this once; only its SHA-256 is stored. A member key acts as one
// member, who must exist.
func (svc *Service) CreateKey(ctx context.Context, role Role, member domain.MemberID) (id, key string, err error) {
	switch {
	case role == RoleOperator && member != "":
		return "", "", refuse(domain.BadRequest, "an operator key has no member")
	case role == RoleMember && member == "":
		return "", "", refuse(domain.BadRequest, "a member key names its member")
	case role != RoleOperator && role != RoleMember:
		return "", "", refuse(domain.BadRequest, "role is operator or member")
	}
	secret := svc.ids.NewSecret()
	id, key = string(svc.ids.NewID()), KeyPrefix+hex.EncodeToString(secret[:])
	err = svc.putKey(ctx, id, key, role, member)
	return id, key, wrap("make a key", err)
}

// InstallKey stores a key that was made elsewhere (INMAIL_OPERATOR_KEY) under a fixed id, and replaces an
// earlier one of that id.
func (svc *Service) InstallKey(ctx context.Context, id, key string) error {
	return wrap("install a key", svc.putKey(ctx, id, key, RoleOperator, ""))
}

func (svc *Service) putKey(ctx context.Context, id, key string, role Role, member domain.MemberID) error {
	return svc.record.Update(ctx, func(tx Tx) error {
		if member != "" {
			if err := member.Validate(); err != nil {
				return err
			}
			if err := exists(tx, member); err != nil {
				return err
			}
		}
		return tx.PutKey(Key{ID: id, Hash: sha256.Sum256([]byte(key)), Role: role, Member: member, CreatedAt: tx.Now()})
	})
}

// Authenticate returns the stored key of a caller; ErrNoKey when there is none.
func (svc *Service) Authenticate(ctx context.Context, key string) (Key, error) {
	var found *Key
	err := svc.record.View(ctx, func(tx Tx) (err error) {
		found, err = tx.KeyByHash(sha256.Sum256([]byte(key)))
		return err
	})
	if err != nil {
		return Key{}, wrap("look up a key", err)
	}
	if found == nil {
		return Key{}, ErrNoKey
	}
	return *found, nil
}

// Keys lists the stored keys, newest first. The keys themselves are not stored.
func (svc *Service) Keys(ctx context.Context, p Page) (keys []Key, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		keys, err = tx.ListKeys(p)
		return err
	})
	return keys, wrap("list keys", err)
}

// DeleteKey deletes a key, which is unknown from then on; not_found when there is none.
func (svc *Service) DeleteKey(ctx context.Context, id string) error {
	err := svc.record.Update(ctx, func(tx Tx) error {
		gone, err := tx.DeleteKey(id)
		if err == nil && !gone {
			return refuse(domain.NotFound, "there is no key with this id")
		}
		return err
	})
	return wrap("delete a key", err)
}
