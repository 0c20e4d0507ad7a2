package mailroom

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"inmail/domain"
)

// ErrNoKey says that a caller showed no key that is known.
var ErrNoKey = errors.New("no such key")

// KeyPrefix begins every key that the program makes, so that one is recognised where it should not be.
const KeyPrefix = "inm_"

// CreateKey makes a key and shows it once: only its SHA-256 is kept. A member key acts as one member, who exists.
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

// InstallKey stores a key that was made elsewhere (INMAIL_OPERATOR_KEY) under a fixed id; the same id is replaced.
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

// Authenticate finds the key that a caller showed; ErrNoKey when there is none.
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

// Keys lists the keys, newest first; the keys themselves are not kept.
func (svc *Service) Keys(ctx context.Context, p Page) (keys []Key, err error) {
	err = svc.record.View(ctx, func(tx Tx) (err error) {
		keys, err = tx.ListKeys(p)
		return err
	})
	return keys, wrap("list keys", err)
}

// DeleteKey makes a key unknown from now on; not_found when it is already.
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
