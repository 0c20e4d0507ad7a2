package sandbox

import (
	"fmt"
	"net/http"
)

// What an administrator does in Setup, or Salesforce with a release: each takes effect with the next call.

// AssignPermissionSet gives the users the package's permission set, or takes it away.
func (s *Sandbox) AssignPermissionSet(assigned bool) { s.assigned.Store(assigned) }

// AllowSOAPLogin lets users log in by SOAP, or not, as a new org does not. Sessions that are open stay.
func (s *Sandbox) AllowSOAPLogin(allowed bool) { s.soapAllowed.Store(allowed) }

// RetireVersions makes a version the oldest that answers, as Salesforce does with a release: 41 retires 40.0 and all before. A version
// may come back, which no real one does.
func (s *Sandbox) RetireVersions(oldest int) error {
	if oldest < oldestVersion || oldest > newestVersion {
		return fmt.Errorf("sandbox: the oldest version must be from %d to %d, not %d", oldestVersion, newestVersion, oldest)
	}
	s.oldest.Store(int32(oldest))
	return nil
}

// ShowField takes a field out of the field-level security of everybody, so that calls are answered as if it were not there, or puts
// it back. A field that is required, or a part of every object, is always seen.
func (s *Sandbox) ShowField(object, name string, shown bool) error {
	f, err := s.fieldNamed(object, name)
	if err != nil {
		return err
	}
	if !f.permissionable {
		return fmt.Errorf("sandbox: %s.%s is under no field-level security", object, name)
	}
	f.hidden.Store(!shown)
	return nil
}

// ChangeLength makes a text field hold at most so many UTF-16 units; as many as it was deployed with, or fewer. Longer values that are
// stored already stay as they are.
func (s *Sandbox) ChangeLength(object, name string, length int) error {
	f, err := s.fieldNamed(object, name)
	if err != nil {
		return err
	}
	if !f.kind.text() || length < 1 || length > f.length {
		return fmt.Errorf("sandbox: %s.%s is a %s of %d, and cannot have the length %d", object, name, f.kind, f.length, length)
	}
	f.shortened.Store(int32(length))
	return nil
}

func (s *Sandbox) fieldNamed(object, name string) (*field, error) {
	o := s.schema.object(object)
	if o == nil || o.field(name) == nil {
		return nil, fmt.Errorf("sandbox: there is no field %s.%s", object, name)
	}
	return o.field(name), nil
}

// longest is how many UTF-16 units the field holds.
func (f *field) longest() int {
	if n := f.shortened.Load(); n > 0 {
		return int(n)
	}
	return f.length
}

// changeField shows or hides a field, or changes its length: {"object", "field", "shown": false, "length": 80}.
func (s *Sandbox) changeField(r *http.Request, _ string) (any, error) {
	in, err := decode[struct {
		Object string `json:"object"`
		Field  string `json:"field"`
		Shown  *bool  `json:"shown"`
		Length *int   `json:"length"`
	}](r)
	if err != nil {
		return nil, err
	}
	if in.Shown == nil && in.Length == nil {
		return nil, fmt.Errorf("shown or length must be given")
	}
	if in.Shown != nil {
		err = s.ShowField(in.Object, in.Field, *in.Shown)
	}
	if in.Length != nil && err == nil {
		err = s.ChangeLength(in.Object, in.Field, *in.Length)
	}
	return done, err
}
