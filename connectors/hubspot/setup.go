package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/crmcall"
	"inmail/domain/mailroom"
)

// The group of our properties, on each object.
const (
	groupName  = "inmail"
	groupLabel = "InMail"
)

// propertyInput is a property as it is made.
type propertyInput struct {
	Name        string   `json:"name"`
	Label       string   `json:"label"`
	Type        string   `json:"type"`
	FieldType   string   `json:"fieldType"`
	GroupName   string   `json:"groupName"`
	Description string   `json:"description"`
	Unique      bool     `json:"hasUniqueValue"`
	FormField   bool     `json:"formField"`
	Options     []option `json:"options,omitempty"`
}

// input returns the property as it is made.
func (m modelProperty) input() propertyInput {
	in := propertyInput{Name: m.name, Label: m.label, Type: m.kind, FieldType: m.field, GroupName: groupName, Unique: m.unique,
		Description: "Written by InMail."}
	in.Options = m.missingOptions(nil)
	return in
}

// missingOptions returns the options that a property lacks, to be added behind those that it has.
func (m modelProperty) missingOptions(has []option) (all []option) {
	for _, value := range m.options {
		if !slices.ContainsFunc(has, func(o option) bool { return o.Value == value }) {
			all = append(all, option{Label: strings.ToUpper(value[:1]) + value[1:], Value: value, Order: len(has) + len(all)})
		}
	}
	return all
}

// installation is a set-up under way.
type installation struct {
	c     *Connector
	apply bool
	steps []mailroom.SetupStep
}

func (i *installation) step(what, state, detail, remedy string) {
	i.steps = append(i.steps, mailroom.SetupStep{What: what, State: state, Detail: detail, Remedy: remedy})
}

// Setup returns what the portal needs of our model, and with apply makes what is missing: the group and the
// properties of communications and contacts, all of them or the few that a Free portal can hold. It removes
// nothing and writes no record. Then it looks whether communications are found by their key.
func (c *Connector) Setup(ctx context.Context, apply bool) ([]mailroom.SetupStep, error) {
	if !c.Configured() {
		return nil, mailroom.ErrNotConfigured
	}
	i := &installation{c: c, apply: apply}
	var a accountDetails
	if err := c.call(ctx, account, http.MethodGet, c.path("account-info", "details"), nil, &a); err != nil {
		return nil, fmt.Errorf("ask for the account: %w", err)
	}
	i.step("portal", mailroom.StepThere, fmt.Sprintf("%d, %s, %s", a.PortalID, a.Type, a.TimeZone), "")
	there := map[string]propertyList{}
	missing := map[string][]modelProperty{}
	objects := []string{communications, contacts}
	if c.config.KeyIn == keyInBody {
		objects = []string{contacts}
		i.step("unique key", mailroom.StepThere, "no: by the setting key_in, key and sequence are a line at the end of each text. "+
			"Communications have no own properties: no reports by status, tag or rate, and the guarantees are weaker", "")
	}
	for _, object := range objects {
		var list propertyList
		if err := c.call(ctx, properties, http.MethodGet, c.path("properties", object), nil, &list); err != nil {
			return i.steps, fmt.Errorf("read the properties of %s: %w", object, err)
		}
		there[object] = list
		for _, m := range model {
			if _, ok := list.named(m.name); m.object == object && !ok {
				missing[object] = append(missing[object], m)
			}
		}
	}
	small, err := i.room(ctx, missing)
	if err != nil {
		return i.steps, err
	}
	for _, object := range objects {
		if err := i.object(ctx, object, there[object], missing[object], small); err != nil {
			return i.steps, err
		}
	}
	c.forgetPortal()
	if err := i.leads(ctx); err != nil {
		return i.steps, err
	}
	if c.config.KeyIn != keyInBody && (apply || len(missing[communications]) == 0) {
		if err := i.probe(ctx); err != nil {
			return i.steps, err
		}
	}
	return i.steps, nil
}

// freeProperties is how many own properties a Free portal has in all.
const freeProperties = 10

// room looks how many properties the portal can take, and reports whether it is to get the small model.
func (i *installation) room(ctx context.Context, missing map[string][]modelProperty) (small bool, err error) {
	var limits struct {
		By []struct {
			Type  string `json:"objectTypeId"`
			Usage int    `json:"usage"`
			Limit int    `json:"limit"`
		} `json:"byObjectType"`
		Usage int `json:"overallUsage"`
		Limit int `json:"overallLimit"`
	}
	if err := i.c.call(ctx, properties, http.MethodGet, i.c.path("limits", "custom-properties"), nil, &limits); err != nil {
		f := asFault(err)
		if f.Class != domain.Configuration {
			return false, fmt.Errorf("ask how many properties there may be: %w", err)
		}
		i.step("room", mailroom.StepThere, "the portal does not say how many properties it may have: "+f.Detail(), "")
		return false, nil
	}
	lacks, few := 0, 0
	for _, list := range missing {
		for _, m := range list {
			if lacks++; m.small {
				few++
			}
		}
	}
	left := limits.Limit - limits.Usage
	detail := fmt.Sprintf("%d of %d own properties are in use", limits.Usage, limits.Limit)
	switch {
	case left >= lacks && limits.Limit > freeProperties:
		i.step("room", mailroom.StepThere, detail+"; all of ours fit", "")
		return false, nil
	case left >= few:
		i.step("room", mailroom.StepThere, detail+"; only the small model fits: status, sequence, tags and rates, and the contact's last status. "+
			"A Free portal shows 30 days of a timeline", "")
		return true, nil
	}
	i.step("room", mailroom.StepFailed, fmt.Sprintf("%s, and %d are missing", detail, few),
		"remove own properties that nobody uses, or take a plan with more of them")
	return true, nil
}

// object makes the group and the missing properties of an object, and compares those that are there.
func (i *installation) object(ctx context.Context, object string, there propertyList, missing []modelProperty, small bool) error {
	if err := i.group(ctx, object); err != nil {
		return err
	}
	var make []propertyInput
	for _, m := range model {
		if m.object != object {
			continue
		}
		what := object + "." + m.name
		p, ok := there.named(m.name)
		switch {
		case ok:
			if err := i.compare(ctx, m, p); err != nil {
				return err
			}
		case small && !m.small:
		case !i.apply:
			i.step(what, mailroom.StepMissing, m.kind+", "+m.field+unique(m.unique), "inmail crm setup --crm hubspot --apply makes it")
		default:
			make = append(make, m.input())
		}
	}
	return i.makeProperties(ctx, object, make)
}

func unique(is bool) string {
	if is {
		return ", unique"
	}
	return ""
}

// group makes the group of our properties on an object.
func (i *installation) group(ctx context.Context, object string) error {
	var groups struct {
		Results []struct {
			Name string `json:"name"`
		} `json:"results"`
	}
	path, what := i.c.path("properties", object, "groups"), object+" group "+groupName
	if err := i.c.call(ctx, properties, http.MethodGet, path, nil, &groups); err != nil {
		return fmt.Errorf("read the groups of %s: %w", object, err)
	}
	for _, g := range groups.Results {
		if g.Name == groupName {
			i.step(what, mailroom.StepThere, "", "")
			return nil
		}
	}
	if !i.apply {
		i.step(what, mailroom.StepMissing, "", "inmail crm setup --crm hubspot --apply makes it")
		return nil
	}
	in := struct {
		Name  string `json:"name"`
		Label string `json:"label"`
		Order int    `json:"displayOrder"`
	}{groupName, groupLabel, -1}
	err := i.c.call(ctx, properties, http.MethodPost, path, in, nil)
	if f := (*Fault)(nil); errors.As(err, &f) && f.Code == "OBJECT_ALREADY_EXISTS" {
		err = nil // another has made it meanwhile
	}
	if err != nil {
		return fmt.Errorf("make the group of %s: %w", object, err)
	}
	i.step(what, mailroom.StepMade, "", "")
	return nil
}

// makeProperties makes properties in one call. A unique one that communications do not take is made plain:
// then the guarantees are weaker.
func (i *installation) makeProperties(ctx context.Context, object string, make []propertyInput) error {
	if len(make) == 0 {
		return nil
	}
	var out struct {
		Results []property  `json:"results"`
		Errors  []errorBody `json:"errors"`
	}
	path := i.c.path("properties", object, "batch", "create")
	if err := i.c.call(ctx, properties, http.MethodPost, path, inputs[propertyInput]{make}, &out); err != nil {
		return fmt.Errorf("make the properties of %s: %w", object, err)
	}
	done := map[string]bool{}
	for _, p := range out.Results {
		done[p.Name] = true
		i.step(object+"."+p.Name, mailroom.StepMade, p.Type+", "+p.FieldType+unique(p.Unique), "")
	}
	for _, e := range out.Errors {
		f := rowFault(e)
		for _, name := range e.Context["name"] {
			done[name] = true
			n := slices.IndexFunc(make, func(p propertyInput) bool { return p.Name == name })
			if n >= 0 && make[n].Unique && name == eventKey {
				plain := make[n]
				plain.Unique = false
				if err := i.c.call(ctx, properties, http.MethodPost, i.c.path("properties", object), plain, nil); err != nil {
					if refusal := asFault(err); refusal.Class != domain.BadData {
						return fmt.Errorf("make the property %s: %w", name, err)
					}
					i.step(object+"."+name, mailroom.StepFailed, f.Detail(),
						"where communications take no own properties at all, set hubspot.key_in to body (INMAIL_HUBSPOT_KEY_IN=body)")
					continue
				}
				i.step(object+"."+name, mailroom.StepMade, plain.Type+", "+plain.FieldType+
					", not unique: communications of this portal take no unique property. The guarantees are weaker", "")
				continue
			}
			i.step(object+"."+name, mailroom.StepFailed, f.Detail(), "see the room above, and the scope crm.schemas.contacts.write")
		}
	}
	for _, p := range make {
		if !done[p.Name] {
			i.step(object+"."+p.Name, mailroom.StepFailed, "HubSpot did not say what became of it", "run the set-up again")
		}
	}
	return nil
}

// compare compares a property that is there with the model, and adds the options that it lacks.
func (i *installation) compare(ctx context.Context, m modelProperty, p property) error {
	what := m.object + "." + m.name
	if p.Type != m.kind || p.FieldType != m.field {
		i.step(what, mailroom.StepFailed, fmt.Sprintf("it is %s, %s and not %s, %s", p.Type, p.FieldType, m.kind, m.field),
			"the name is taken: have an administrator remove that property for good, then run the set-up again")
		return nil
	}
	detail := p.Type + ", " + p.FieldType + unique(p.Unique)
	if m.unique && !p.Unique {
		detail += ", not unique: the guarantees are weaker"
	}
	lacks := m.missingOptions(p.Options)
	if len(lacks) == 0 || m.name == tagsProperty {
		i.step(what, mailroom.StepThere, detail, "")
		return nil
	}
	if !i.apply {
		i.step(what, mailroom.StepMissing, fmt.Sprintf("%d of its options", len(lacks)), "inmail crm setup --crm hubspot --apply adds them")
		return nil
	}
	in := struct {
		Options []option `json:"options"`
	}{append(p.Options, lacks...)}
	if err := i.c.call(ctx, properties, http.MethodPatch, i.c.path("properties", m.object, m.name), in, nil); err != nil {
		return fmt.Errorf("add options to %s: %w", what, err)
	}
	i.step(what, mailroom.StepMade, fmt.Sprintf("%d options were added", len(lacks)), "")
	return nil
}

// leads looks whether the open leads of contacts get their communications.
func (i *installation) leads(ctx context.Context) error {
	p := &portal{}
	if err := i.c.learnLeads(ctx, p); err != nil {
		return fmt.Errorf("ask for leads: %w", err)
	}
	detail := "no: the portal has no leads, or the key lacks crm.objects.leads.read and .write; contacts and companies alone get the messages"
	if p.leadsBy() != 0 {
		detail = "yes: a contact's open leads get its messages too"
	}
	i.step(leads, mailroom.StepThere, detail, "")
	return nil
}

// probe looks whether communications are found by their key, without writing a record.
func (i *installation) probe(ctx context.Context) error {
	const what = "unique key"
	_, err := i.c.read(ctx, communications, eventKey, []string{unknownKey}, eventKey)
	if f := (*Fault)(nil); errors.As(err, &f) && f.Status == http.StatusBadRequest {
		i.step(what, mailroom.StepThere, "no: communications are not found by "+eventKey+". What is lost is looked for on the "+
			"contact's timeline, and the guarantees are weaker", "")
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a communication by its key: %w", err)
	}
	i.step(what, mailroom.StepThere, "yes: communications are found by "+eventKey, "")
	return nil
}

// unknownKey is the key of no communication.
const unknownKey = "00000000-0000-0000-0000-000000000000:sent"

// Check compares the portal with what the sync needs, and stores nothing there.
func (c *Connector) Check(ctx context.Context) []mailroom.Finding {
	steps, err := c.Setup(crmcall.Background(ctx), false)
	var all []mailroom.Finding
	for _, s := range steps {
		all = append(all, mailroom.Finding{What: s.What, OK: s.State == mailroom.StepThere, Detail: s.Detail, Remedy: s.Remedy})
		if s.State == mailroom.StepMissing && s.Detail == "" {
			all[len(all)-1].Detail = "missing"
		}
	}
	if err != nil {
		f := asFault(err)
		return append(all, mailroom.Finding{What: "HubSpot", Detail: f.Detail(), Remedy: remedyOf(f)})
	}
	p, err := c.learn(ctx)
	if err != nil {
		f := asFault(err)
		return append(all, mailroom.Finding{What: "HubSpot", Detail: f.Detail(), Remedy: remedyOf(f)})
	}
	return append(all, c.checkOwners(p), c.checkLimits())
}

// remedyOf returns what to do about the fault of a call.
func remedyOf(f *Fault) string {
	switch f.Class {
	case domain.LoginFailed:
		return "the token is wrong, revoked or expired: make a new service key in HubSpot (Development, Keys) and set INMAIL_HUBSPOT_TOKEN"
	case domain.LimitReached:
		return "the calls are used up; wait, or raise hubspot.budget"
	case domain.Locked, domain.Unreachable:
		return "HubSpot did not answer; try again, and look at status.hubspot.com"
	}
	switch f.Code {
	case "MISSING_SCOPES":
		return "give the service key these scopes"
	case "PORTAL_CHANGED", "PORTAL_IS_ANOTHER":
		return "the token belongs to another portal than before: if that is meant, set hubspot.portal to its id"
	}
	return "run inmail crm setup --crm hubspot --apply"
}

func (c *Connector) checkOwners(p *portal) mailroom.Finding {
	var unknown []string
	for member, owner := range c.owners {
		if p.owners[owner] == "" {
			unknown = append(unknown, string(member))
		}
	}
	slices.Sort(unknown)
	if unknown != nil {
		return mailroom.Finding{What: "owners", Detail: "no owner in the portal for: " + strings.Join(unknown, ", "),
			Remedy: "correct hubspot.owners, or give the users back their access; until then these senders' messages have no owner"}
	}
	ids := map[string]bool{}
	for _, id := range p.owners {
		ids[id] = true
	}
	return mailroom.Finding{What: "owners", OK: true, Detail: fmt.Sprintf("%d in the portal; %d senders have one by the settings, "+
		"the others the one with their address", len(ids), len(c.owners))}
}

func (c *Connector) checkLimits() mailroom.Finding {
	b := c.Budget()
	return mailroom.Finding{What: "limits", OK: b.Max > 0, Detail: fmt.Sprintf("%d of %d calls of today are used by all apps, %d by us; we may use %.0f",
		b.Used, b.Max, b.Ours, b.Share*float64(b.Max)), Remedy: ""}
}
