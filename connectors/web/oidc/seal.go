package oidc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// A seal keeps values in cookies, which a browser can neither read nor change. Its key comes from the client
// secret, so that every process of the program opens what another has sealed.
type seal struct{ aead cipher.AEAD }

func newSeal(c Config) (seal, error) {
	key, err := hkdf.Key(sha256.New, []byte(c.ClientSecret), nil, "inmail oidc cookies\n"+c.Issuer+"\n"+c.ClientID, 32)
	if err != nil {
		return seal{}, fmt.Errorf("make the key of the cookies: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return seal{}, fmt.Errorf("make the key of the cookies: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return seal{aead}, err
}

// seal returns value as the text of a cookie. purpose keeps one cookie from being used as another.
func (s seal) seal(purpose string, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(purpose))), nil
}

// errForged says that a cookie is not one that was sealed for the purpose.
var errForged = errors.New("the cookie was not sealed here")

// open reads a cookie into value.
func (s seal) open(purpose, cookie string, value any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil {
		return errForged
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return errForged
	}
	return json.Unmarshal(plain, value)
}
