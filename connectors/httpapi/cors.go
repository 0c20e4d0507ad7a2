package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// corsKept is how long a browser may keep the answer to a preflight request, in seconds.
const corsKept = "600"

// crossOrigin lets pages of the origins of the setting cors_origins read the answers of the API, and
// answers a browser's preflight request. It reports whether the request is answered. No cookie is ever
// accepted from another origin: such a page sends a key in the header Authorization.
func (c *call) crossOrigin() (answered bool) {
	origins := c.api.Config.CORSOrigins
	if len(origins) == 0 {
		return false
	}
	h := c.Header()
	h.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	if !slices.Contains(origins, origin) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, "+requestHeader)
	if c.r.Method != http.MethodOptions || c.r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, "+memberHeader+", "+requestHeader)
	h.Set("Access-Control-Max-Age", corsKept)
	c.WriteHeader(http.StatusNoContent)
	return true
}

// checkOrigins refuses what is no origin: scheme and host, with a port where it is not the usual one.
func checkOrigins(origins []string) error {
	for _, text := range origins {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != text {
			return fmt.Errorf("cors_origins: %q is no origin; for instance https://app.example.com", text)
		}
	}
	return nil
}
