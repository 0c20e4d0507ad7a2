package httpapi

import (
	"errors"
	"fmt"
	"reflect"
)

// UseCases is what the API asks: a small interface for each group of endpoints, declared beside them. A new
// verb declares its own there and has a line here and in NewUseCases, so that what stands in for the others
// in tests stays as it is. Make it with NewUseCases.
type UseCases struct {
	authenticator
	memberService
	exporter
	relations
	bannedService
	restrictionService
	keyStore
	importer
	reading
	conversation
	retraction
	labels
	preflighter
	account
	statistician
	auditService
	crmService
}

// NewUseCases takes each part from the first of services that has it; *mailroom.Service has all. New
// refuses what lacks one.
func NewUseCases(services ...any) (u UseCases) {
	find(&u.authenticator, services)
	find(&u.memberService, services)
	find(&u.exporter, services)
	find(&u.relations, services)
	find(&u.bannedService, services)
	find(&u.restrictionService, services)
	find(&u.keyStore, services)
	find(&u.importer, services)
	find(&u.reading, services)
	find(&u.conversation, services)
	find(&u.retraction, services)
	find(&u.labels, services)
	find(&u.preflighter, services)
	find(&u.account, services)
	find(&u.statistician, services)
	find(&u.auditService, services)
	find(&u.crmService, services)
	return u
}

// find puts the first of services that is a T into part, and leaves part as it is where none is.
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
