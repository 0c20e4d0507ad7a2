package oidc

import (
	"net/http"
	"time"
)

// TrustForTest trusts the certificate of a server that the client of a test trusts.
func (p *Provider) TrustForTest(client *http.Client) {
	p.client.Transport = limited{client.Transport}
}

// RetryForTest shortens the waits after a failure.
func (p *Provider) RetryForTest(wait time.Duration) { p.retryMin = wait }
