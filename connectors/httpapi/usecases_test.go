package httpapi

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"inmail/domain/mailroom"
)

// TestServiceHasEveryUseCase checks that *mailroom.Service, which the program passes, implements every part.
func TestServiceHasEveryUseCase(t *testing.T) {
	if err := NewUseCases((*mailroom.Service)(nil)).check(); err != nil {
		t.Error(err)
	}
}

func TestUseCasesComeFromTheFirstThatHasThem(t *testing.T) {
	first, second := newFakeService(), newFakeService()
	u := NewUseCases(struct{ retraction }{first}, second)
	if u.retraction != any(struct{ retraction }{first}) || u.labels != labels(second) {
		t.Errorf("retraction is of %T, labels of %T", u.retraction, u.labels)
	}
}

func TestNewNamesAMissingUseCase(t *testing.T) {
	service := useCases(newFakeService())
	service.retraction = nil
	_, err := New(Parts{Config: Default(), Service: service, Sender: newFakeService(),
		Registry: prometheus.NewRegistry(), Metrics: text(""), Domain: text(""), Log: slog.New(slog.DiscardHandler)})
	const want = "httpapi: no service has the use cases of retraction: [AskRetraction ConfirmRetraction]"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
