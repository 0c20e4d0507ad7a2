package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Reason says in one word why nobody was signed in.
type Reason string

// All reasons.
const (
	Unavailable  Reason = "provider_unavailable" // it does not answer, or not as a provider does
	OtherBrowser Reason = "other_browser"        // this browser has not begun this sign-in, or too long ago
	Denied       Reason = "denied"               // the provider has not signed the person in
	CodeRefused  Reason = "code_refused"         // it was used before, or is too old
	ClientFault  Reason = "client_refused"       // the provider does not know this program by its id and secret
	TokenInvalid Reason = "token_invalid"        // what the provider says of the person cannot be trusted
	NoRole       Reason = "no_role"              // no value of the role claim has a role
	NoMember     Reason = "no_member"            // the claim names no member
)

// Failure says why nobody was signed in. Its text quotes nothing of a token, a claim or a foreign answer.
type Failure struct {
	Reason Reason
	Detail string // for the log
	Person string // the id of a person who was identified and may do nothing; else empty
}

// Error implements error.
func (f *Failure) Error() string { return string(f.Reason) + ": " + f.Detail }

func fail(reason Reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// statusError is an answer of the provider that is not 200.
type statusError int

// Error implements error.
func (e statusError) Error() string { return fmt.Sprintf("it answers %d", int(e)) }

// discoveryFailure says why a provider was not discovered.
func discoveryFailure(err error) *Failure {
	var other *oidc.IssuerMismatchError
	if errors.As(err, &other) {
		return fail(Unavailable, "its issuer is spelt otherwise than oidc.issuer; they must be the same, to the last slash")
	}
	var broken *url.Error
	if errors.As(err, &broken) { // of the connection, or a statusError
		return fail(Unavailable, "%s", broken.Err)
	}
	return fail(Unavailable, "it has no discovery document at oidc.issuer")
}

// exchangeFailure says why a code gave no token. Only what RFC 6749 defines is repeated of the answer.
func exchangeFailure(err error) *Failure {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var broken *url.Error
		if errors.As(err, &broken) {
			return fail(Unavailable, "its token endpoint: %s", broken.Err)
		}
		return fail(TokenInvalid, "the token endpoint's answer has no token")
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	switch {
	case refused.ErrorCode == "invalid_grant":
		return fail(CodeRefused, "the token endpoint answers invalid_grant")
	case refused.ErrorCode == "invalid_client", refused.ErrorCode == "unauthorized_client", status == http.StatusUnauthorized:
		return fail(ClientFault, "the token endpoint refuses oidc.client_id or oidc.client_secret")
	case status >= http.StatusInternalServerError:
		return fail(Unavailable, "its token endpoint answers %d", status)
	}
	return fail(CodeRefused, "the token endpoint answers %d", status)
}
