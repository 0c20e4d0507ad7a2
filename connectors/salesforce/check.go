package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/google/uuid"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// Finding is the result for one thing that the check looked at, and how to repair it.
type Finding = mailroom.Finding

var _ mailroom.Checker = (*Connector)(nil)

// Address returns the address of the org; empty: none is configured.
func (c *Connector) Address() string { return c.config.URL }

// deployed is the remedy when something of the package is missing.
const deployed = "deploy connectors/salesforce/package to the org, " +
	"and assign the permission set InMail_Integration to the integration user"

// Check logs in and compares the org with what the package needs: version, login, objects, fields,
// permissions, the rule against older states, and limits. It stores nothing in the org.
func (c *Connector) Check(ctx context.Context) []Finding {
	findings := []Finding{c.checkVersion(ctx)}
	login := c.checkLogin(ctx)
	findings = append(findings, login)
	if !findings[0].OK || !login.OK {
		return findings
	}
	model, err := sfpackage.Load()
	if err != nil {
		return append(findings, Finding{What: "package", Detail: err.Error()})
	}
	found, err := c.describe(ctx, model)
	if err != nil {
		return append(findings, faultFinding("objects", err))
	}
	findings = append(findings, compareModel(model, found)...)
	if slices.ContainsFunc(findings, func(f Finding) bool { return !f.OK }) {
		return append(findings, c.checkLimits())
	}
	findings = append(findings, c.checkRule(ctx))
	if c.config.Tasks {
		findings = append(findings, c.checkTaskStatus(found[taskObject]), c.checkTask(ctx))
	}
	if len(c.campaigns) > 0 {
		findings = append(findings, c.checkCampaigns(ctx))
	}
	return append(findings, c.checkOwners(ctx), c.checkLimits())
}

func faultFinding(what string, err error) Finding {
	f := asFault(err)
	return Finding{What: what, Detail: f.Detail(), Remedy: remedyOf(f)}
}

// remedyOf returns what to do about the fault of a call.
func remedyOf(f *Fault) string {
	switch f.Class {
	case domain.Locked, domain.Unreachable:
		return "the org did not answer; try again, and look at its status page"
	case domain.LimitReached:
		return "the daily API calls are used up; wait, or raise salesforce.budget"
	case domain.SessionEnded:
		return "the org ends sessions at once; look at the session settings and IP ranges of the integration user"
	}
	return deployed
}

// checkVersion checks that the org supports the API version. The request needs no session and counts as no
// API call.
func (c *Connector) checkVersion(ctx context.Context) Finding {
	f := Finding{What: "version"}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	address := strings.TrimRight(c.config.URL, "/") + "/services/data"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		f.Detail, f.Remedy = "salesforce.url is no address", "set salesforce.url to the org's My Domain"
		return f
	}
	w := &wire{ctx: ctx, next: c.budget, called: c.observer.Called, limit: 1 << 20}
	w.got, w.err = w.send(req)
	a, err := w.outcome(ofCall)
	var list []struct {
		Version string `json:"version"`
	}
	if err != nil || json.Unmarshal(a.body, &list) != nil || len(list) == 0 {
		f.Detail = "no answer of an org at salesforce.url"
		f.Remedy = "set salesforce.url to the org's My Domain (Setup, My Domain), " +
			"such as https://acme.my.salesforce.com"
		if err != nil {
			f.Detail += ": " + asFault(err).Detail()
		}
		return f
	}
	oldest, newest := list[0].Version, list[len(list)-1].Version
	for _, v := range list {
		if v.Version == c.config.APIVersion {
			f.OK, f.Detail = true, v.Version+", of "+oldest+" to "+newest
			return f
		}
	}
	f.Detail = fmt.Sprintf("the org does not support %s; it supports %s to %s", c.config.APIVersion, oldest, newest)
	f.Remedy = "set salesforce.api_version to 67.0 or another version that the org supports; an old one is retired"
	return f
}

// checkLogin logs in anew, even when a login failed a short while ago.
func (c *Connector) checkLogin(ctx context.Context) Finding {
	f := Finding{What: "login", Detail: "by " + string(c.login.method)}
	if err := c.forgetFailure(ctx); err != nil {
		c.log.WarnContext(ctx, "forget a failed login", "error", err)
	}
	s, err := c.logIn(ctx)
	if err != nil {
		fault := asFault(err)
		f.Detail += ": " + fault.Detail()
		f.Remedy = c.loginRemedy(fault)
		return f
	}
	c.current.Store(&s)
	c.shareSession(ctx, s)
	f.OK = true
	if c.login.method == soapLogin {
		f.Detail += fmt.Sprintf(", a legacy that ends in Summer '27 and with API %d.0", soapAPI)
		f.Remedy = "move to an External Client App with client credentials " +
			"(connectors/salesforce/package/README.md, step 4)"
	}
	return f
}

// loginRemedy returns what to do about a failed login, by the org's code.
func (c *Connector) loginRemedy(f *Fault) string {
	if f.Class != domain.LoginFailed {
		if len(f.Errors) > 0 && len(f.Errors[0].Fields) > 0 {
			if remedy := loginRemedyOf(f.Errors[0].Fields[0]); remedy != "" {
				return remedy
			}
		}
		return remedyOf(f)
	}
	code, message := "", ""
	if len(f.Errors) > 0 {
		code, message = f.Errors[0].Code, strings.ToLower(f.Errors[0].message)
	}
	if len(f.Errors) > 0 && len(f.Errors[0].Fields) > 0 {
		if remedy := loginRemedyOf(f.Errors[0].Fields[0]); remedy != "" {
			return remedy
		}
	}
	switch {
	case code == "invalid_client_id":
		return "salesforce.client_id is not the consumer key of an app of this org"
	case code == "invalid_client":
		return "salesforce.client_secret is wrong; read it again from the External Client App"
	case code == "INVALID_OPERATION" || strings.Contains(message, "soap api login"):
		return "SOAP login is disabled in this org, as in every new one; use client credentials or JWT bearer"
	case code == "LOGIN_MUST_USE_SECURITY_TOKEN":
		return "set salesforce.token to the user's security token, or allow this address in the org"
	case code == "PASSWORD_EXPIRED" || code == "INVALID_OPERATION_WITH_EXPIRED_PASSWORD":
		return "the user's password has expired; set a new one and salesforce.password with it"
	case code == "PASSWORD_LOCKOUT":
		return "the user is locked out; unlock it in Setup, Users, and correct salesforce.password before the next try"
	case code == "API_DISABLED_FOR_ORG":
		return "the org or the user has no API access: " +
			"the edition must have it, and the user the permission API Enabled"
	case code == "NO_USABLE_SESSION":
		return "the org answered a login without a session, or one for an address without https"
	case code == "INVALID_LOGIN":
		return "salesforce.username, salesforce.password or salesforce.token is wrong, or the user is locked out"
	case c.login.method == jwtBearer:
		return "the certificate of salesforce.jwt_key_file is not on the app, " +
			"salesforce.audience or salesforce.username is wrong, or the user is not pre-authorized"
	case c.login.method == clientCredentials:
		return "enable the client credentials flow on the app, with the integration user as Run As, active"
	}
	return "look at the login history of the user in Setup"
}

// described is the org's description of an object.
type described struct {
	Name       string           `json:"name"`
	Createable bool             `json:"createable"`
	Updateable bool             `json:"updateable"`
	Queryable  bool             `json:"queryable"`
	Fields     []describedField `json:"fields"`
}

type describedField struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Length        int      `json:"length"`
	Precision     int      `json:"precision"`
	Scale         int      `json:"scale"`
	Createable    bool     `json:"createable"`
	Updateable    bool     `json:"updateable"`
	Nillable      bool     `json:"nillable"`
	Filterable    bool     `json:"filterable"`
	Unique        bool     `json:"unique"`
	ExternalID    bool     `json:"externalId"`
	Calculated    bool     `json:"calculated"`
	Restricted    bool     `json:"restrictedPicklist"`
	ReferenceTo   []string `json:"referenceTo"`
	PicklistEntry []struct {
		Value  string `json:"value"`
		Active bool   `json:"active"`
	} `json:"picklistValues"`
}

// field returns a field by its name, in any case. It is nil when the org shows no such field.
func (d *described) field(name string) *describedField {
	for i := range d.Fields {
		if strings.EqualFold(d.Fields[i].Name, name) {
			return &d.Fields[i]
		}
	}
	return nil
}

// describe returns the org's descriptions of all objects of the package, with one call. An object that the
// user cannot see is left out.
func (c *Connector) describe(ctx context.Context, model sfpackage.Model) (map[string]*described, error) {
	var subs []subrequest
	for _, name := range objectsOf(model) {
		subs = append(subs, subrequest{Method: http.MethodGet,
			URL: c.root() + "sobjects/" + name + "/describe", Ref: strings.TrimSuffix(name, "__c")})
	}
	answers, err := c.composite(ctx, subs)
	if err != nil {
		return nil, err
	}
	found := map[string]*described{}
	for i, a := range answers {
		if a.fault != nil {
			if a.fault.Class == domain.Configuration {
				continue
			}
			return nil, a.fault
		}
		d := &described{}
		if err := json.Unmarshal(a.body, d); err != nil {
			return nil, unanswered(http.StatusOK, fmt.Errorf("the description of an object cannot be read"))
		}
		found[objectsOf(model)[i]] = d
	}
	return found, nil
}

// objectsOf returns the objects that the integration uses. Fields of Activity are fields of Task.
func objectsOf(model sfpackage.Model) []string {
	names := []string{"Account"}
	for _, o := range model.Objects {
		if o.Name == "Activity" {
			o.Name = taskObject
		}
		if !slices.Contains(names, o.Name) {
			names = append(names, o.Name)
		}
	}
	sort.Strings(names)
	return names
}

// compareModel compares the org's descriptions with the package and with the permissions of its integration
// set.
func compareModel(model sfpackage.Model, found map[string]*described) []Finding {
	set, _ := model.PermissionSet(sfpackage.IntegrationSet)
	if found[inMailObject] == nil && !anyField(model, found) {
		return []Finding{{What: "permission set", Detail: "the integration user sees nothing of the package",
			Remedy: "assign the permission set InMail_Integration to the integration user " +
				"(its fields are invisible without it); " +
				"if the org does not know the set, deploy connectors/salesforce/package"}}
	}
	var findings []Finding
	for _, name := range objectsOf(model) {
		findings = append(findings, compareObject(name, found[name], set))
	}
	for _, o := range model.Objects {
		name := o.Name
		if name == "Activity" {
			name = taskObject
		}
		d := found[name]
		if d == nil {
			continue
		}
		for _, want := range o.Fields {
			findings = append(findings, compareField(name, want, d.field(want.Name), set))
		}
	}
	findings = append(findings, comparePeople(found))
	for _, need := range [][2]string{{"Lead", "Email"}, {"Contact", "Email"}, {"Contact", "AccountId"}} {
		if d := found[need[0]]; d != nil && d.field(need[1]) == nil {
			findings = append(findings, Finding{
				What: need[0] + "." + need[1], Detail: "the integration user does not see it",
				Remedy: "assign the permission set InMail_Integration to the integration user"})
		}
	}
	for _, w := range personWays {
		d := found[w.object]
		if d == nil || d.field(w.field) == nil || d.field(w.field).Filterable {
			continue
		}
		findings = append(findings, Finding{What: w.String(), Detail: "no query can filter by it: it is encrypted",
			Remedy: "people are not looked for by it; encrypt it with the deterministic scheme, which can be filtered, " +
				"or leave it so and give ids or member ids"})
	}
	return findings
}

// comparePeople says what the integration user may change of Leads and Contacts. The permission is a set of
// its own, which an org may withhold.
func comparePeople(found map[string]*described) Finding {
	f := Finding{What: "Lead and Contact: edit", OK: true, Detail: "given: an erasure empties InMail Member ID there"}
	for _, name := range peopleObjects {
		d := found[name]
		if d == nil {
			continue
		}
		if field := d.field("InMail_Member_Id__c"); !d.Updateable || field != nil && !field.Updateable {
			f.Detail = "withheld: the ids of erased members stay there until somebody empties them; " +
				"inmail crm erased --prove names the records"
			f.Remedy = "to change that, assign the permission set " + sfpackage.PeopleSet + " to the integration user"
			return f
		}
	}
	return f
}

// anyField says whether the user sees a field of the package on a standard object.
func anyField(model sfpackage.Model, found map[string]*described) bool {
	for _, o := range model.Objects {
		name := o.Name
		if name == "Activity" {
			name = taskObject
		}
		for _, f := range o.Fields {
			if d := found[name]; d != nil && d.field(f.Name) != nil {
				return true
			}
		}
	}
	return false
}

func compareObject(name string, d *described, set sfpackage.PermissionSet) Finding {
	f := Finding{What: name}
	if d == nil {
		f.Detail, f.Remedy = "the integration user does not see it, or it is not there", deployed
		return f
	}
	want := set.Objects[name]
	if name == taskObject { // the user permission Edit Tasks gives this access
		want = sfpackage.ObjectAccess{Create: true, Read: true, Edit: true}
	}
	var denied []string
	if want.Read && !d.Queryable {
		denied = append(denied, "read")
	}
	if want.Create && !d.Createable {
		denied = append(denied, "create")
	}
	if want.Edit && !d.Updateable {
		denied = append(denied, "edit")
	}
	if denied != nil {
		f.Detail = "the integration user may not " + strings.Join(denied, ", ")
		f.Remedy = "assign the permission set InMail_Integration as the package has it"
		return f
	}
	f.OK, f.Detail = true, "there, with the permissions needed"
	return f
}

// orgTypes are the types of a description by the types of the metadata.
var orgTypes = map[sfpackage.FieldType]string{
	sfpackage.Text: "string", sfpackage.LongTextArea: "textarea", sfpackage.Number: "double",
	sfpackage.Date: "date", sfpackage.DateTime: "datetime",
	sfpackage.Picklist: "picklist", sfpackage.MultiselectPicklist: "multipicklist", sfpackage.Lookup: "reference", sfpackage.URL: "url",
}

// compareField compares a field of the org with the field of the package.
func compareField(object string, want sfpackage.Field, got *describedField, set sfpackage.PermissionSet) Finding {
	f := Finding{What: object + "." + want.Name}
	if got == nil {
		f.Detail, f.Remedy = "missing, or the integration user does not see it", deployed
		return f
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if got.Calculated != want.Computed() {
		fault("a formula: %v, not %v", got.Calculated, want.Computed())
	}
	if !strings.EqualFold(got.Type, orgTypes[want.Type]) {
		fault("type %s, not %s", got.Type, orgTypes[want.Type])
	}
	if !want.Computed() && want.Length > 0 && got.Length < want.Length {
		fault("length %d, less than %d", got.Length, want.Length)
	}
	if !want.Computed() && want.Type == sfpackage.Number && got.Precision-got.Scale < want.Precision-want.Scale {
		fault("%d digits, fewer than %d", got.Precision-got.Scale, want.Precision-want.Scale)
	}
	if want.ExternalID && !got.ExternalID {
		fault("not an external id")
	}
	if want.Unique && !got.Unique {
		fault("not unique: an upsert would need View All Data, and events could be logged twice")
	}
	if want.ReferenceTo != "" && !slices.Contains(got.ReferenceTo, want.ReferenceTo) {
		fault("does not refer to %s", want.ReferenceTo)
	}
	if want.Restricted || got.Restricted {
		faults = append(faults, lackingValues(want, got)...)
	}
	access := set.Fields[object+"."+want.Name]
	if (access.Edit || want.Required) && (!got.Createable || !got.Updateable) {
		fault("the integration user may not edit it")
	}
	if faults != nil {
		f.Detail = strings.Join(faults, "; ")
		f.Remedy = deployed
		return f
	}
	f.OK, f.Detail = true, "as in the package"
	return f
}

// lackingValues returns the values that a restricted picklist would refuse.
func lackingValues(want sfpackage.Field, got *describedField) (faults []string) {
	if got.Restricted && !want.Restricted {
		faults = append(faults, "restricted to its values: new ones would be refused")
	}
	for _, v := range want.Values {
		if want.Restricted && !slices.ContainsFunc(got.PicklistEntry, func(e struct {
			Value  string `json:"value"`
			Active bool   `json:"active"`
		}) bool {
			return e.Active && e.Value == v
		}) {
			faults = append(faults, "without the active value "+v)
		}
	}
	return faults
}

// sample is an InMail like those that are pushed, which no check stores.
func sample(seq int) *domain.Push {
	return &domain.Push{InMail: domain.InMail{ID: domain.ID(uuid.NewString()), Sender: "inmail-check", Recipient: "inmail-check",
		Status: domain.Queued, Seq: seq, Subject: "Check of the org", Preview: "Check of the org", Body: "Check of the org",
		Category: "check", Tags: []string{"check"}}, SenderName: "InMail check", RecipientName: "InMail check"}
}

// neverRef is the step of a trial that always fails, so that nothing of the trial is stored.
const neverRef = "never"

// trial runs steps in a transaction that always fails. It returns the faults of the steps by their
// references; a step without one passed as far as it came.
func (c *Connector) trial(ctx context.Context, steps ...subrequest) (map[string]*Fault, error) {
	never := subrequest{Method: http.MethodPatch, Ref: neverRef, Body: map[string]any{"Status__c": "No such status"},
		URL: c.root() + "sobjects/" + inMailObject + "/" + inMailKey + "/" + uuid.NewString()}
	body, err := encodeJSON(map[string]any{"allOrNone": true, "collateSubrequests": false,
		"compositeRequest": append(steps, never)})
	if err != nil {
		return nil, unanswered(0, errors.New("the trial cannot be written"))
	}
	a, err := c.do(ctx, call{method: http.MethodPost, path: "composite", body: body})
	if err != nil {
		return nil, err
	}
	var got struct {
		Steps []struct {
			Body json.RawMessage `json:"body"`
			Ref  string          `json:"referenceId"`
		} `json:"compositeResponse"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil {
		return nil, unanswered(a.status, err)
	}
	faults := map[string]*Fault{}
	for _, s := range got.Steps {
		f := newFault(http.StatusBadRequest, parseErrors(s.Body), ofRow)
		if len(f.Errors) > 0 && !f.has("PROCESSING_HALTED") {
			faults[s.Ref] = f
		}
	}
	return faults, nil
}

// exempt is the remedy when the org's automation refuses what the sync writes.
const exempt = "exempt the integration user from this rule, trigger or flow of the org"

// checkRule checks that the org takes a record as the sync writes it, and refuses an older state of it.
// Nothing is stored.
func (c *Connector) checkRule(ctx context.Context) Finding {
	f := Finding{What: "InMail__c.Never_Backwards"}
	newer := sample(2)
	step := func(ref string, seq int) subrequest {
		p := *newer
		p.InMail.Seq = seq
		row := c.about(&p).fields()
		delete(row, inMailKey) // it is in the address
		return subrequest{Method: http.MethodPatch, Ref: ref, Body: row,
			URL: c.root() + "sobjects/" + inMailObject + "/" + inMailKey + "/" + string(newer.InMail.ID)}
	}
	faults, err := c.trial(ctx, step("newer", 2), step("older", 1))
	switch older := faults["older"]; {
	case err != nil:
		return faultFinding(f.What, err)
	case faults["newer"] != nil:
		f.Detail, f.Remedy = "a record cannot be written: "+faults["newer"].Detail(), exempt
	case older != nil && older.Class == domain.Stale:
		f.OK, f.Detail = true, "the org takes a record, and refuses an older state"
	case older != nil:
		f.Detail, f.Remedy = "a record cannot be written: "+older.Detail(), exempt
	case faults[neverRef] != nil:
		f.Detail = "the org takes an older state over a newer one"
		f.Remedy = "activate the validation rule Never_Backwards of InMail__c, or deploy connectors/salesforce/package"
	default:
		f.Detail, f.Remedy = "the org's answer cannot be understood", "try again"
	}
	return f
}

// checkTask checks that the org takes a Task as the sync writes it, without a Lead or Contact. Nothing is
// stored.
func (c *Connector) checkTask(ctx context.Context) Finding {
	f := Finding{What: "Task: write"}
	p := sample(2)
	p.InMail.SentAt = c.clock.Now()
	row := taskOf(c.about(p), parents{}, sentEvent, c.config, "", time.UTC)
	delete(row, "WhoId")
	for _, d := range c.defaults {
		row[d.field] = d.value
	}
	faults, err := c.trial(ctx, subrequest{Method: http.MethodPost, URL: c.root() + "sobjects/" + taskObject, Ref: "task", Body: row})
	switch refused := faults["task"]; {
	case err != nil:
		return faultFinding(f.What, err)
	case refused != nil && refused.has("REQUIRED_FIELD_MISSING"):
		f.Detail = "a Task cannot be written: " + refused.Detail()
		f.Remedy = "name a value for each of these fields in salesforce.task_defaults, such as Outcome__c=InMail"
	case refused != nil:
		f.Detail, f.Remedy = "a Task cannot be written: "+refused.Detail(), exempt
	case faults[neverRef] != nil:
		f.OK, f.Detail = true, "the org takes a Task"
	default:
		f.Detail, f.Remedy = "the org's answer cannot be understood", "try again"
	}
	return f
}

// checkTaskStatus checks that the org has the status with which Tasks are logged.
func (c *Connector) checkTaskStatus(task *described) Finding {
	f := Finding{What: "Task.Status", OK: true, Detail: "has the value " + c.config.TaskStatus}
	status := task.field("Status")
	if status == nil || len(status.PicklistEntry) == 0 {
		f.Detail = "the org does not show its values"
		return f
	}
	var active []string
	for _, v := range status.PicklistEntry {
		if v.Active {
			active = append(active, v.Value)
		}
	}
	if !slices.Contains(active, c.config.TaskStatus) {
		f.OK, f.Detail = false, "has no active value "+c.config.TaskStatus
		f.Remedy = "set salesforce.task_status to a closed one of: " + strings.Join(active, ", ")
	}
	return f
}

// checkOwners checks that the Users whom the settings name as owners exist and are active.
func (c *Connector) checkOwners(ctx context.Context) Finding {
	f := Finding{What: "owners", OK: true}
	named := map[string]string{} // Users by what the settings call them
	for member, id := range c.owners {
		named[string(member)] = id
	}
	for team, id := range c.teamOwners {
		named["team "+team] = id
	}
	f.Detail = fmt.Sprintf("%d senders and %d teams have a User by the settings", len(c.owners), len(c.teamOwners))
	if c.config.FindOwners {
		f.Detail += "; those of others are looked for in the org"
	}
	if len(named) == 0 {
		return f
	}
	active := map[string]bool{}
	var ids []string
	for _, id := range named {
		if _, twice := active[id]; !twice {
			ids = append(ids, id)
			active[id] = false
		}
	}
	slices.Sort(ids)
	err := c.ask(ctx, &query{n: len(ids), soql: func(part []int) string {
		return "SELECT Id, IsActive FROM User WHERE Id IN " + in(pick(ids, part))
	}, read: func(record []byte) error {
		var u struct {
			ID     string `json:"Id"`
			Active bool   `json:"IsActive"`
		}
		err := json.Unmarshal(record, &u)
		active[u.ID] = u.Active
		return err
	}})
	if err != nil && asFault(err).Class == domain.Configuration {
		f.Detail += "; whether these are active, the integration user cannot see"
		return f
	}
	if err != nil {
		return faultFinding(f.What, err)
	}
	var idle []string
	for name, id := range named {
		if !active[id] {
			idle = append(idle, name)
		}
	}
	if idle != nil {
		slices.Sort(idle)
		f.OK, f.Detail = false, "no active User for: "+strings.Join(idle, ", ")
		f.Remedy = "correct salesforce.owners and salesforce.team_owners; until then the next owner in the order has what is theirs"
	}
	return f
}

// checkLimits returns the API calls that the org's answers counted.
func (c *Connector) checkLimits() Finding {
	b := c.Budget()
	f := Finding{What: "limits", OK: true}
	if b.Max == 0 {
		f.Detail = "the org did not say how many API calls it has used"
		return f
	}
	f.Detail = fmt.Sprintf("%d of %d API calls used in 24 h; ours %d of %d",
		b.Used, b.Max, b.Ours, int(b.Share*float64(b.Max)))
	if !b.ParkedUntil.IsZero() || b.Used >= b.Max {
		f.OK, f.Remedy = false, "wait until there is room again, or raise salesforce.budget"
	}
	return f
}
