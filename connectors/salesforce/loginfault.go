package salesforce

import (
	"strings"

	"inmail/domain"
)

// loginFault is one way in which the org refuses a login: the words of error_description or of a SOAP fault
// by which it is recognized, the name under which it is reported, and what to do.
type loginFault struct {
	words  string // in lower case
	name   string
	passes bool // it passes by itself, so the login is tried again without a pause
	remedy string
}

// loginFaults are the descriptions that are known. The first whose words a description has decides. Any other
// description is judged by its code alone.
var loginFaults = []loginFault{
	{"retry your request", "retry", true, "try again: the org could not judge the login for a moment"},
	{"login rate exceeded", "login_rate_exceeded", true,
		"wait an hour: the user has logged in too often; another program may log in with the same user"},
	{"no client credentials user enabled", "no_run_as_user", false,
		"name a Run As user for the client credentials flow: External Client App, Policies, OAuth Policies"},
	{"request not supported on this domain", "wrong_domain", false,
		"set salesforce.url to the org's My Domain, such as https://acme.my.salesforce.com: " +
			"login.salesforce.com does not take this login"},
	{"ip restricted", "ip_restricted", false,
		"allow this server's address: the login IP ranges of the integration user's profile, " +
			"or relax IP restrictions in the policies of the app"},
	{"inactive user", "inactive_user", false, "activate the integration user in Setup, Users"},
	{"user is inactive", "inactive_user", false, "activate the integration user in Setup, Users"},
	{"inactive organization", "org_inactive", false, "the org is inactive or its trial has ended: ask its administrator"},
	{"org is locked", "org_locked", false, "the org is locked: its administrator must ask Salesforce Support"},
	{"organization is locked", "org_locked", false, "the org is locked: its administrator must ask Salesforce Support"},
	{"org locked", "org_locked", false, "the org is locked: its administrator must ask Salesforce Support"},
	{"user hasn't approved this consumer", "not_approved", false,
		"pre-authorize the integration user: External Client App, Policies, Permitted Users: " +
			"Admin approved users are pre-authorized, and assign its permission set"},
	{"not admin approved", "app_not_approved", false,
		"assign to the integration user a profile or permission set that the app's policies allow"},
	{"not approved for", "app_not_approved", false,
		"assign to the integration user a profile or permission set that the app's policies allow"},
	{"app_not_approved", "app_not_approved", false,
		"assign to the integration user a profile or permission set that the app's policies allow"},
	{"audience", "audience_invalid", false,
		"set salesforce.audience to https://login.salesforce.com, or to https://test.salesforce.com for a sandbox org"},
	{"assertion is not valid", "assertion_invalid", false,
		"set this server's clock, and put the certificate of salesforce.jwt_key_file on the app"},
	{"expired access/refresh token", "expired", false, "approve the app for the integration user again"},
}

// loginFaultOf returns the known fault that a description names, or nil.
func loginFaultOf(description string) *loginFault {
	description = strings.ToLower(description)
	for i, f := range loginFaults {
		if strings.Contains(description, f.words) {
			return &loginFaults[i]
		}
	}
	return nil
}

// loginReason returns the name of the fault that a description names. It is a word of ours, because
// descriptions are neither stored nor shown.
func loginReason(description string) string {
	if f := loginFaultOf(description); f != nil {
		return f.name
	}
	return ""
}

// loginRemedyOf returns what to do about a reported fault; empty when its name is not known.
func loginRemedyOf(name string) string {
	for _, f := range loginFaults {
		if f.name == name {
			return f.remedy
		}
	}
	return ""
}

// passingLogins are codes of the token endpoint for a login that failed for now.
var passingLogins = []string{"unknown_error", "server_error", "temporarily_unavailable", "rate_limit_exceeded"}

// judgeLogin judges a refused login whose fault passes by itself; ok is false for every other login.
func judgeLogin(code, description string) (v verdict, ok bool) {
	if f := loginFaultOf(description); f != nil {
		return verdict{class: domain.Locked}, f.passes
	}
	for _, c := range passingLogins {
		if code == c {
			return verdict{class: domain.Locked}, true
		}
	}
	return verdict{}, false
}
