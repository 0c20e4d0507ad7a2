// Package webhook reaches the end points of subscribers: it signs events as Standard Webhooks says, sends
// them to public addresses over https alone, and verifies what it signed for who builds against it (R68).
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"inmail/domain/mailroom"
)

// The headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// Tolerance is how far the timestamp of a webhook may be from the receiver's clock.
const Tolerance = 5 * time.Minute

// sign returns the signature of a webhook by one secret, in its version 1.
func sign(secret []byte, id string, at int64, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.", id, at)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sign sets the three headers of a webhook: a signature for each secret, with blanks between.
func Sign(h http.Header, secrets [][]byte, id string, at time.Time, body []byte) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = sign(secret, id, at.Unix(), body)
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(headerSignature, strings.Join(signatures, " "))
}

// ReadSecret reads a secret in the form whsec_….
func ReadSecret(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, mailroom.WebhookSecret))
	if err != nil || len(secret) == 0 {
		return nil, errors.New("a secret is whsec_ and base64")
	}
	return secret, nil
}

// Verify returns nil when one of the signatures of a webhook is by secret, and its timestamp is at most
// Tolerance from now.
func Verify(h http.Header, secret []byte, now time.Time, body []byte) error {
	id, signatures := h.Get(headerID), h.Get(headerSignature)
	at, err := strconv.ParseInt(h.Get(headerTimestamp), 10, 64)
	if id == "" || signatures == "" || err != nil {
		return errors.New("it lacks webhook-id, webhook-timestamp or webhook-signature")
	}
	if off := now.Sub(time.Unix(at, 0)).Abs(); off > Tolerance {
		return fmt.Errorf("its timestamp is %s from this machine's clock, more than %s", off.Round(time.Second), Tolerance)
	}
	want := []byte(sign(secret, id, at, body))
	for _, s := range strings.Fields(signatures) {
		if hmac.Equal([]byte(s), want) {
			return nil
		}
	}
	return errors.New("no signature is by this secret")
}
