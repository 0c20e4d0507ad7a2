package domain

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// ConfirmFor is how long a confirmation token of a retraction is valid (R35).
const ConfirmFor = 15 * time.Minute

// retractable judges a retraction at now by the window [T0, T0 + Window) and the state (R34, R37). That only
// the sender may retract is judged by the caller, who knows who asks.
func (m *InMail) retractable(now time.Time) error {
	switch m.Status {
	case Sent, Opened, Replied, Declined:
	case Expired:
		return tooLate(m)
	default:
		return Refuse(Conflict, "an InMail that is %s cannot be retracted; only a delivered one can", m.Status)
	}
	if !now.Before(m.ExpiresAt) {
		return tooLate(m)
	}
	return nil
}

func tooLate(m *InMail) error {
	return Refuse(TooLate, "an InMail can be retracted for %d hours after it was sent; this ended at %s",
		int(Window.Hours()), m.ExpiresAt.Format(time.RFC3339))
}

// AskRetraction judges what confirming now would do, and changes nothing (R35). undone: nobody has read the
// InMail. The policy RefuseOpened refuses to retract an opened one (R37).
func (m *InMail) AskRetraction(now time.Time, p RetractOpened) (undone bool, err error) {
	if m.Status == Retracted {
		return m.Undone, nil // a second confirmation changes nothing
	}
	if err := m.retractable(now); err != nil {
		return false, err
	}
	if m.Status != Sent && p == RefuseOpened {
		return false, Refuse(AlreadyOpened, "the recipient opened this InMail at %s, and opened InMails are not retracted here",
			m.OpenedAt.Format(time.RFC3339))
	}
	return m.Status == Sent, nil
}

// ConfirmToken returns the token that confirms the retraction of one InMail until expires. It is stateless,
// so that asking stores nothing: a MAC of the id and the time under the record's key.
func ConfirmToken(key []byte, id ID, expires time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, confirmMAC(key, id, b)...))
}

// CheckToken refuses with conflict a token that is invalid, of another InMail, or has expired at now (R35).
func CheckToken(key []byte, id ID, token string, now time.Time) error {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 8+16 || !hmac.Equal(raw[8:], confirmMAC(key, id, raw[:8])) {
		return Refuse(Conflict, "this confirmation token is not one for this InMail; ask for a new one")
	}
	if expires := time.UnixMilli(int64(binary.BigEndian.Uint64(raw))); !now.Before(expires) {
		return Refuse(Conflict, "this confirmation token ended at %s; ask for a new one", expires.UTC().Format(time.RFC3339))
	}
	return nil
}

func confirmMAC(key []byte, id ID, expires []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("retract\x00" + string(id) + "\x00"))
	h.Write(expires)
	return h.Sum(nil)[:16]
}
