package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
)

// The methods below do what an administrator does in Setup, or Salesforce with a release. Each takes effect
// with the next call.

// AssignPermissionSet assigns the package's permission sets to the users that they are for, or removes every
// assignment.
func (s *Sandbox) AssignPermissionSet(assigned bool) {
	if err := s.assignAll(assigned); err != nil {
		s.options.Log.Error("sandbox permission sets not assigned", "error", err)
	}
}

// OpenSession logs a user in, as by a browser, and returns the session's access token. An empty name stands
// for the sandbox's operator, an administrator.
func (s *Sandbox) OpenSession(username string) (string, error) {
	id := newID("005", operatorNumber)
	if username != "" {
		if id = s.userID(username); id == "" || s.users[id].Inactive {
			return "", fmt.Errorf("sandbox: %q is no active user", username)
		}
	}
	token, ok := s.sessions.open(id, s.now(), false)
	if !ok {
		return "", errors.New("sandbox: login rate exceeded")
	}
	return token, nil
}

// SlowDeployments makes deployments show their end only when they were asked about n times more.
func (s *Sandbox) SlowDeployments(n int) {
	s.metadata.mu.Lock()
	defer s.metadata.mu.Unlock()
	s.metadata.slow = n
}

// RefuseDeployments makes the org refuse the components of a type, as one whose limits are used up. An empty
// problem ends that.
func (s *Sandbox) RefuseDeployments(typeName, problem string) error {
	if !knownType(typeName) {
		return fmt.Errorf("sandbox: there is no type %q of components", typeName)
	}
	s.metadata.mu.Lock()
	defer s.metadata.mu.Unlock()
	if s.metadata.refused == nil {
		s.metadata.refused = map[string]string{}
	}
	s.metadata.refused[typeName] = problem
	return nil
}

// AllowSOAPLogin allows or refuses SOAP logins; a new org refuses them. Open sessions stay valid.
func (s *Sandbox) AllowSOAPLogin(allowed bool) { s.soapAllowed.Store(allowed) }

// RetireVersions sets the oldest version that is answered, as Salesforce does with a release: 41 retires
// 40.0 and all before. Unlike in Salesforce, a retired version can be brought back.
func (s *Sandbox) RetireVersions(oldest int) error {
	if oldest < oldestVersion || oldest > newestVersion {
		return fmt.Errorf("sandbox: the oldest version must be from %d to %d, not %d", oldestVersion, newestVersion,
			oldest)
	}
	s.oldest.Store(int32(oldest))
	return nil
}

// ShowField removes a field from everybody's field-level security, so that calls are answered as if it did
// not exist, or restores it. Fields that are required, or that every object has, are always visible.
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

// MoveInstance moves the org to another instance, as Salesforce does: later logins name its address, such as
// http://localhost:8090. A call to any other host gets a redirect once, and then a page with 404. An empty
// origin ends that.
func (s *Sandbox) MoveInstance(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || origin != "" && u.Host == "" {
		return fmt.Errorf("sandbox: %q is no address", origin)
	}
	s.instance.Store(&movedTo{origin: origin, host: u.Host})
	return nil
}

// movedTo is where the org has moved.
type movedTo struct {
	origin, host string
	redirected   atomic.Bool
}

// elsewhere answers a call to an instance that the org has left; ok is false for every other call.
func (s *Sandbox) elsewhere(r *http.Request) (a reply, ok bool) {
	at := s.instance.Load()
	if at == nil || at.host == "" || r.Host == at.host {
		return reply{}, false
	}
	if !at.redirected.Swap(true) {
		a = page(http.StatusMovedPermanently, "Moved Permanently")
		a.header = http.Header{"Location": {at.origin + r.URL.RequestURI()}}
		return a, true
	}
	return page(http.StatusNotFound, "URL No Longer Exists"), true
}

// ChangeLength sets the length of a text field in UTF-16 units, from 1 to the length that was deployed.
// Longer values that are already stored stay.
func (s *Sandbox) ChangeLength(object, name string, length int) error {
	f, err := s.fieldNamed(object, name)
	if err != nil {
		return err
	}
	if !f.kind.text() || length < 1 || length > f.length {
		return fmt.Errorf("sandbox: %s.%s is a %s of %d, and cannot have the length %d", object, name, f.kind,
			f.length, length)
	}
	f.shortened.Store(int32(length))
	return nil
}

// EncryptField encrypts a field with Platform Encryption, so that no query can filter by it, or decrypts it.
func (s *Sandbox) EncryptField(object, name string, encrypted bool) error {
	f, err := s.fieldNamed(object, name)
	if err == nil {
		f.encrypted.Store(encrypted)
	}
	return err
}

// RequireField makes a field required in every write, or no longer.
func (s *Sandbox) RequireField(object, name string, required bool) error {
	f, err := s.fieldNamed(object, name)
	if err == nil {
		f.demanded.Store(required)
	}
	return err
}

// ChangeValues gives a picklist other values, as an administrator does. Those that are stored already stay.
func (s *Sandbox) ChangeValues(object, name string, values ...string) error {
	f, err := s.fieldNamed(object, name)
	if err == nil && f.values == nil {
		err = fmt.Errorf("sandbox: %s.%s is no picklist", object, name)
	}
	if err == nil {
		f.revalued.Store(&values)
	}
	return err
}

func (s *Sandbox) fieldNamed(object, name string) (*field, error) {
	o := s.schema.object(object)
	if o == nil || o.field(name) == nil {
		return nil, fmt.Errorf("sandbox: there is no field %s.%s", object, name)
	}
	return o.field(name), nil
}

// maxLength is the current length of the field in UTF-16 units.
func (f *field) maxLength() int {
	if n := f.shortened.Load(); n > 0 {
		return int(n)
	}
	return f.length
}

// changeField shows, hides, encrypts or requires a field, or changes its length: {"object", "field", "shown":
// false, "length": 80, "encrypted": true, "required": true}.
func (s *Sandbox) changeField(r *http.Request, _ string) (any, error) {
	in, err := decode[struct {
		Object string `json:"object"`
		Field  string `json:"field"`
		Shown  *bool  `json:"shown"`
		Length *int   `json:"length"`

		Encrypted *bool `json:"encrypted"`
		Required  *bool `json:"required"`

		Values []string `json:"values"`
	}](r)
	if err != nil {
		return nil, err
	}
	if in.Shown == nil && in.Length == nil && in.Encrypted == nil && in.Required == nil && in.Values == nil {
		return nil, fmt.Errorf("shown, length, encrypted, required or values must be given")
	}
	if in.Shown != nil {
		err = s.ShowField(in.Object, in.Field, *in.Shown)
	}
	if in.Length != nil && err == nil {
		err = s.ChangeLength(in.Object, in.Field, *in.Length)
	}
	if in.Values != nil && err == nil {
		err = s.ChangeValues(in.Object, in.Field, in.Values...)
	}
	if in.Encrypted != nil && err == nil {
		err = s.EncryptField(in.Object, in.Field, *in.Encrypted)
	}
	if in.Required != nil && err == nil {
		err = s.RequireField(in.Object, in.Field, *in.Required)
	}
	return done, err
}
