package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// onePage is the sign-in of pages that know no key.
type onePage struct{ served int }

func (p *onePage) Route(r *http.Request) string {
	if r.URL.Path == signInRoute {
		return signInRoute
	}
	return ""
}

func (p *onePage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.served++; r.Method == http.MethodPost {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// TestPagesSlowDownWhoGuesses checks that the sign-in of the pages is no way around the limit on wrong keys.
func TestPagesSlowDownWhoGuesses(t *testing.T) {
	page := &onePage{}
	w := newWorld(t, func(p *Parts) { p.Config.WrongKeys, p.Pages = 3, page })
	ask := func(method, path string) int {
		answer := httptest.NewRecorder()
		w.api.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader("key=inm_wrong")))
		return answer.Code
	}
	for i, want := range []int{401, 401, 401, 429, 429} {
		if got := ask("POST", signInRoute); got != want {
			t.Errorf("try %d: %d, want %d", i+1, got, want)
		}
	}
	if got := ask("GET", signInRoute); got != http.StatusOK || page.served != 4 {
		t.Errorf("the form itself: %d; the pages were asked %d times, want 4", got, page.served)
	}
	if got := ask("GET", "/"); got != http.StatusNotFound {
		t.Errorf("what is no page: %d", got)
	}
}
