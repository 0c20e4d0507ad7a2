package httpapi

import (
	"errors"
	"fmt"
	"reflect"
)

// UseCases are the use cases that the API calls: a small interface for each group of endpoints, declared
// beside them. A new use case declares its own interface there and has a line here and one in NewUseCases, so
// that the fakes in tests stay as they are. Make it with NewUseCases.
type UseCases struct {
	authenticator
	memberService
	memberFinder
	exporter
	relations
	bannedService
	restrictionService
	keyStore
	importer
	reading
	conversation
	retraction
	declining
	automaticReplies
	labels
	preflighter
	account
	analyticsService
	auditService
	actService
	crmService
	signIn
	resumer
	eventFeed
	webhookService
}

// NewUseCases takes each part from the first of services that implements it; *mailroom.Service implements
// all. New fails when a part is missing.
func NewUseCases(services ...any) (u UseCases) {
	find(&u.authenticator, services)
	find(&u.memberService, services)
	find(&u.memberFinder, services)
	find(&u.exporter, services)
	find(&u.relations, services)
	find(&u.bannedService, services)
	find(&u.restrictionService, services)
	find(&u.keyStore, services)
	find(&u.importer, services)
	find(&u.reading, services)
	find(&u.conversation, services)
	find(&u.retraction, services)
	find(&u.declining, services)
	find(&u.automaticReplies, services)
	find(&u.labels, services)
	find(&u.preflighter, services)
	find(&u.account, services)
	find(&u.analyticsService, services)
	find(&u.auditService, services)
	find(&u.actService, services)
	find(&u.crmService, services)
	find(&u.signIn, services)
	find(&u.resumer, services)
	find(&u.eventFeed, services)
	find(&u.webhookService, services)
	return u
}

// find sets part to the first of services that is a T, and leaves it as it is when none is.
func find[T any](part *T, services []any) {
	for _, s := range services {
		if found, is := s.(T); is {
			*part = found
			return
		}
	}
}

// check names every part that is missing, with its methods.
func (u UseCases) check() error {
	var faults []error
	for part, value := range reflect.ValueOf(u).Fields() {
		if !value.IsNil() {
			continue
		}
		var methods []string
		for m := range part.Type.Methods() {
			methods = append(methods, m.Name)
		}
		faults = append(faults, fmt.Errorf("httpapi: no service has the use cases of %s: %v", part.Name, methods))
	}
	return errors.Join(faults...)
}
