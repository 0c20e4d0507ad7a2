package salesforce

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
	"inmail/domain"
	"inmail/domain/mailroom"
)

var _ mailroom.Preparer = (*Connector)(nil)

// These constants bound the preparation of an org.
const (
	listedAtOnce  = 3                      // queries of one listMetadata
	readAtOnce    = 10                     // components of one readMetadata
	deployLook    = 200 * time.Millisecond // the first pause between two questions about a deployment; each next is twice it
	deployPause   = 4 * time.Second        // the longest pause
	deployLooks   = 8                      // questions of one preparation; then the caller asks again
	senderPage    = 1000                   // InMails of a page in which senders are looked for
	senderPages   = 20
	shownProblems = 3 // components that are named when the org refuses some
)

// layoutLookups are the objects on whose layouts the related list belongs, with the lookup that it follows.
var layoutLookups = map[string]string{"Account": "Account__c", "Contact": "Contact__c", "Lead": "Lead__c"}

// relatedColumns are the columns of the related list.
var relatedColumns = []string{"Subject__c", "Sender_Name__c", "Status__c", "Sent_At__c", "Expires_At__c", "Replied_At__c", "Link__c"}

// admin makes the calls of a preparation, as whoever the session belongs to.
type admin struct {
	c     *Connector
	s     session
	given bool // an administrator's session; false: the sync's own
}

// Prepare compares the org with what it needs beside the rows of the sync: the package, permission sets and
// related lists. With Apply it makes what is missing, in this order, and then checks the org. A step that
// the org refuses stops those that follow from it. Every change needs the session of an administrator,
// because the integration user may not look into the set-up, and should not.
func (c *Connector) Prepare(ctx context.Context, record mailroom.CRMRecord, p mailroom.Preparation) (mailroom.Prepared, error) {
	var out mailroom.Prepared
	if !c.Configured() {
		return out, mailroom.ErrNotConfigured
	}
	own, err := c.session(ctx, "")
	if err != nil {
		out.Steps = []mailroom.SetupStep{{What: "login", State: mailroom.StepFailed, Detail: asFault(err).Detail(),
			Remedy: c.loginRemedy(asFault(err))}}
		return out, nil
	}
	a := admin{c: c, s: own}
	if p.Session != "" {
		a.s, a.given = session{token: p.Session, instance: own.instance}, true
	}
	if p.Undo != nil {
		out.Steps = []mailroom.SetupStep{a.putBack(ctx, p.Undo)}
		return out, nil
	}
	pack, waiting := a.preparePackage(ctx, p.Apply, p.Waiting)
	out.Steps, out.Waiting = append(out.Steps, pack), waiting
	if pack.State == mailroom.StepFailed || waiting != "" {
		return out, nil
	}
	waits := pack.State == mailroom.StepMissing
	senders, step, err := c.findSenders(ctx, record)
	if err != nil {
		return out, err
	}
	out.Steps = append(out.Steps, step)
	out.Steps = append(out.Steps, a.prepareSets(ctx, own.user, senders, p.Apply, waits)...)
	layouts, undo := a.prepareLayouts(ctx, p.Apply)
	out.Steps, out.Undo = append(out.Steps, layouts...), undo
	if !slices.ContainsFunc(out.Steps, func(s mailroom.SetupStep) bool { return s.State == mailroom.StepMissing }) {
		out.Findings = c.Check(ctx)
	}
	return out, nil
}

// refused returns the step that a fault ended, with what to do about it.
func (a admin) refused(what string, err error) mailroom.SetupStep {
	f := asFault(err)
	step := mailroom.SetupStep{What: what, State: mailroom.StepFailed, Detail: f.Detail()}
	switch {
	case f.has("INVALID_SESSION_ID"):
		step.Remedy = "the session has ended, or is of another org: give a new one of an administrator"
	case !a.given:
		step.Detail = "the integration user may not look into the org's set-up, and should not: " + step.Detail
		step.Remedy = "give the session of an administrator (--session)"
	case f.has("INSUFFICIENT_ACCESS") || f.has("INVALID_TYPE") || f.has("INSUFFICIENT_ACCESS_OR_READONLY"):
		step.Remedy = "the session's user needs Customize Application, Modify Metadata Through Metadata API Functions, " +
			"View Setup and Assign Permission Sets: give that of an administrator"
	default:
		step.Remedy = remedyOf(f)
	}
	return step
}

// soap makes a call of the Metadata API. An error is a *Fault.
func (a admin) soap(ctx context.Context, operation string, into any) error {
	return a.c.soap(ctx, a.s, "m", sfpackage.Namespace, operation, into)
}

// partnerNamespace is the XML namespace of the SOAP API for records.
const partnerNamespace = "urn:partner.soap.sforce.com"

// soap makes a call of one of the SOAP APIs: m is that of metadata, u that of records. An error is a *Fault.
func (c *Connector) soap(ctx context.Context, s session, api, namespace, operation string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	body := `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns="` + namespace + `"><soapenv:Header><SessionHeader><sessionId>` + escapeText(s.token) +
		`</sessionId></SessionHeader></soapenv:Header><soapenv:Body>` + operation + `</soapenv:Body></soapenv:Envelope>`
	address := strings.TrimRight(s.instance, "/") + "/services/Soap/" + api + "/" + c.config.APIVersion
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return unanswered(0, errors.New("the request cannot be made"))
	}
	w := &wire{ctx: ctx, next: c.budget, called: c.observer.Called,
		header: http.Header{"Content-Type": {"text/xml; charset=UTF-8"}, "Accept": {"text/xml"}, "SOAPAction": {`""`}}}
	w.got, w.err = w.send(req)
	got, err := w.outcome(ofCall)
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(got.body, into); err != nil {
		return unanswered(got.status, errors.New("the answer of a SOAP API cannot be read"))
	}
	return nil
}

func escapeText(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // a strings.Builder does not fail
	return out.String()
}

// do makes a call of the REST API.
func (a admin) do(ctx context.Context, what call) (answer, error) {
	if !a.given {
		return a.c.do(ctx, what)
	}
	return a.c.try(ctx, a.s, what)
}

// query reads the first page of a query, which has all rows of the questions that are asked here.
func (a admin) query(ctx context.Context, soql string, into any) error {
	got, err := a.do(ctx, call{method: http.MethodGet, path: "query?q=" + url.QueryEscape(soql)})
	if err != nil {
		return err
	}
	var page struct {
		Records json.RawMessage `json:"records"`
	}
	if err := json.Unmarshal(got.body, &page); err != nil || json.Unmarshal(page.Records, into) != nil {
		return unanswered(got.status, errors.New("the answer to a query cannot be read"))
	}
	return nil
}

// list returns the names of the org's components of some types, as type and name. Those in folders are
// listed by the folders named.
func (a admin) list(ctx context.Context, types []string, folders map[string][]string) (map[string]bool, error) {
	var queries []string
	for _, name := range types {
		if folders[name] == nil {
			queries = append(queries, "<queries><type>"+name+"</type></queries>")
			continue
		}
		queries = append(queries, "<queries><type>"+name+"Folder</type></queries>")
		for _, folder := range folders[name] {
			queries = append(queries, "<queries><type>"+name+"</type><folder>"+escapeText(folder)+"</folder></queries>")
		}
	}
	found := map[string]bool{}
	for part := range slices.Chunk(queries, listedAtOnce) {
		var got struct {
			Results []struct {
				Name string `xml:"fullName"`
				Type string `xml:"type"`
			} `xml:"Body>listMetadataResponse>result"`
		}
		operation := "<listMetadata>" + strings.Join(part, "") + "<asOfVersion>" + a.c.config.APIVersion + "</asOfVersion></listMetadata>"
		if err := a.soap(ctx, operation, &got); err != nil {
			return nil, err
		}
		for _, r := range got.Results {
			found[strings.TrimSuffix(r.Type, "Folder")+" "+r.Name] = true
		}
	}
	return found, nil
}

// deployment is the org's answer about a deployment.
type deployment struct {
	ID     string `json:"id"`
	Result struct {
		Done     bool   `json:"done"`
		Status   string `json:"status"`
		Success  bool   `json:"success"`
		Message  string `json:"errorMessage"`
		Total    int    `json:"numberComponentsTotal"`
		Deployed int    `json:"numberComponentsDeployed"`
		Details  struct {
			Failures []struct {
				Name    string `json:"fullName"`
				Type    string `json:"componentType"`
				Problem string `json:"problem"`
			} `json:"componentFailures"`
		} `json:"details"`
	} `json:"deployResult"`
}

// waits says that the org is still at a deployment.
func (d deployment) waits() string { return "the org is still at the deployment " + d.ID }

// problem says why the org refused a deployment; empty: it took it.
func (d deployment) problem() string {
	if d.Result.Success {
		return ""
	}
	var named []string
	failures := d.Result.Details.Failures
	for _, f := range failures[:min(len(failures), shownProblems)] {
		named = append(named, strings.TrimSpace(f.Type+" "+f.Name)+": "+f.Problem)
	}
	if more := len(failures) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return cmp.Or(strings.Join(named, "; "), d.Result.Message, "it ended as "+d.Result.Status)
}

// deploy deploys a zip, all of it or nothing, or with try set only tries to. It waits a while for the end.
func (a admin) deploy(ctx context.Context, zipped []byte, try bool) (d deployment, err error) {
	options, err := encodeJSON(map[string]any{"deployOptions": map[string]any{"checkOnly": try, "rollbackOnError": true,
		"singlePackage": true}})
	if err != nil {
		return d, unanswered(0, errors.New("a deployment cannot be written"))
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, part := range []struct {
		name, kind string
		content    []byte
	}{{"json", "application/json", options}, {"file", "application/zip", zipped}} {
		disposition := fmt.Sprintf(`form-data; name=%q; filename=%q`, part.name, part.name)
		to, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {part.kind}, "Content-Disposition": {disposition}})
		if err == nil {
			_, err = to.Write(part.content)
		}
		if err != nil {
			return d, unanswered(0, errors.New("a deployment cannot be written"))
		}
	}
	if err := w.Close(); err != nil {
		return d, unanswered(0, errors.New("a deployment cannot be written"))
	}
	got, err := a.do(ctx, call{method: http.MethodPost, path: "metadata/deployRequest", body: body.Bytes(),
		header: http.Header{"Content-Type": {w.FormDataContentType()}}})
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(got.body, &d); err != nil || d.ID == "" {
		return d, unanswered(got.status, errors.New("the answer about a deployment cannot be read"))
	}
	return a.follow(ctx, d.ID)
}

// follow asks about a deployment until it has ended, or for a while.
func (a admin) follow(ctx context.Context, id string) (d deployment, err error) {
	for look := range deployLooks {
		got, err := a.do(ctx, call{method: http.MethodGet, path: "metadata/deployRequest/" + url.PathEscape(id) + "?includeDetails=true"})
		if err != nil {
			return d, err
		}
		if err := json.Unmarshal(got.body, &d); err != nil || d.ID == "" {
			return d, unanswered(got.status, errors.New("the answer about a deployment cannot be read"))
		}
		if d.Result.Done {
			return d, nil
		}
		if err := a.c.wait(ctx, min(deployLook<<look, deployPause)); err != nil {
			return d, unanswered(0, fmt.Errorf("wait for the deployment %s: %w", id, err))
		}
	}
	return d, nil
}

// putBack deploys layouts as they were before an earlier preparation.
func (a admin) putBack(ctx context.Context, undo []byte) mailroom.SetupStep {
	const what = "layouts"
	files, err := sfpackage.Unzip(undo)
	if err != nil {
		return mailroom.SetupStep{What: what, State: mailroom.StepFailed, Detail: err.Error(),
			Remedy: "give a file that inmail crm setup --apply kept"}
	}
	for name := range files {
		if name != "package.xml" && !strings.HasPrefix(name, "layouts/") {
			return mailroom.SetupStep{What: what, State: mailroom.StepFailed, Detail: "the file has " + name + ", which is no layout",
				Remedy: "give a file that inmail crm setup --apply kept"}
		}
	}
	d, err := a.deploy(ctx, undo, false)
	switch {
	case err != nil:
		return a.refused(what, err)
	case !d.Result.Done:
		return mailroom.SetupStep{What: what, State: mailroom.StepMissing, Detail: d.waits()}
	case d.problem() != "":
		return mailroom.SetupStep{What: what, State: mailroom.StepFailed, Detail: d.problem(), Remedy: "put them back in Setup"}
	}
	return mailroom.SetupStep{What: what, State: mailroom.StepMade, Detail: fmt.Sprintf("%d as they were", len(files)-1)}
}

// preparePackage deploys the package when the org lacks a component of it, or without apply tries whether the
// org would take it. waiting is the deployment that the org is still at.
func (a admin) preparePackage(ctx context.Context, apply bool, waited string) (step mailroom.SetupStep, waiting string) {
	step.What = "package"
	files, err := sfpackage.Deployable()
	if err != nil {
		step.State, step.Detail = mailroom.StepFailed, err.Error()
		return step, ""
	}
	components, err := sfpackage.Components(files)
	if err != nil {
		step.State, step.Detail = mailroom.StepFailed, err.Error()
		return step, ""
	}
	types, folders := map[string]bool{}, map[string][]string{}
	for _, c := range components {
		types[c.Type] = true
		if strings.HasSuffix(c.File, "-meta.xml") {
			folders[c.Type] = append(folders[c.Type], c.Name)
		}
	}
	there, err := a.list(ctx, slices.Sorted(maps.Keys(types)), folders)
	if err != nil {
		return a.refused(step.What, err), ""
	}
	missing := 0
	for _, c := range components {
		if !there[c.Type+" "+c.Name] {
			missing++
		}
	}
	if missing == 0 {
		step.State, step.Detail = mailroom.StepThere, fmt.Sprintf("all %d components are in the org", len(components))
		return step, ""
	}
	zipped, err := sfpackage.Zip(files)
	if err != nil {
		step.State, step.Detail = mailroom.StepFailed, err.Error()
		return step, ""
	}
	var d deployment
	if waited != "" {
		d, err = a.follow(ctx, waited)
	} else {
		d, err = a.deploy(ctx, zipped, !apply)
	}
	if err != nil {
		return a.refused(step.What, err), ""
	}
	if !d.Result.Done {
		step.State, step.Detail = mailroom.StepMissing, d.waits()
		return step, d.ID
	}
	if problem := d.problem(); problem != "" {
		step.State, step.Detail = mailroom.StepFailed, problem
		step.Remedy = "connectors/salesforce/package/README.md, If the org says no"
		return step, ""
	}
	counts := fmt.Sprintf("%d components, %d of them new", len(components), missing)
	again := len(components) - missing
	if again > 0 {
		counts += "; list views, layout, reports and dashboard of InMail as they are in the package"
	}
	step.State, step.Detail = mailroom.StepMade, counts
	if !apply {
		step.State, step.Detail = mailroom.StepMissing, "a trial deployment passes: "+counts
	}
	return step, ""
}

// findSenders returns the Users who stand for senders, and says how many senders have one.
func (c *Connector) findSenders(ctx context.Context, record mailroom.CRMRecord) (ids []string, step mailroom.SetupStep, err error) {
	step = mailroom.SetupStep{What: "users", State: mailroom.StepThere}
	users, senders, named := map[string]bool{}, map[domain.MemberID]bool{}, 0
	for _, id := range c.teamOwners {
		users[id] = true
	}
	for _, id := range c.owners {
		users[id] = true
	}
	after := domain.ID("")
	for range senderPages {
		page, err := record.PushesAfter(ctx, after, senderPage)
		if err != nil {
			return nil, step, fmt.Errorf("read who sends: %w", err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].InMail.ID
		var fresh []*domain.Push
		for i, p := range page {
			if id := p.InMail.Sender; !senders[id] && id != domain.Erased {
				senders[id], fresh = true, append(fresh, &page[i])
			}
		}
		if err := c.learnBeside(ctx, fresh); err != nil {
			step.State, step.Detail, step.Remedy = mailroom.StepFailed, asFault(err).Detail(), remedyOf(asFault(err))
			return nil, step, nil
		}
		for _, p := range fresh {
			if id := c.senderUser(p.InMail.Sender); id != "" {
				named++
				users[id] = true
			}
		}
	}
	step.Detail = fmt.Sprintf("%d of %d senders have a User; what the others send belongs to the integration user, or to that of their team",
		named, len(senders))
	ids = slices.Sorted(maps.Keys(users))
	return slices.DeleteFunc(ids, func(id string) bool { return !c.users.active(id) }), step, nil
}

// ownSets are the permission sets that the integration user needs for the settings in force.
func (c *Connector) ownSets() []string {
	sets := []string{sfpackage.IntegrationSet}
	if c.config.PersonFields || len(c.campaigns) > 0 {
		sets = append(sets, sfpackage.PeopleSet)
	}
	if len(c.campaigns) > 0 {
		sets = append(sets, sfpackage.CampaignsSet)
	}
	return sets
}

// prepareSets assigns the permission sets of the integration to its user, and the set of readers to the Users
// who own InMails. waits says that the sets come with a deployment that was not made.
func (a admin) prepareSets(ctx context.Context, own string, readers []string, apply, waits bool) []mailroom.SetupStep {
	wanted := map[string][]string{sfpackage.ReaderSet: slices.DeleteFunc(slices.Clone(readers),
		func(id string) bool { return id == own })}
	names := append(a.c.ownSets(), sfpackage.ReaderSet)
	for _, name := range a.c.ownSets() {
		if own != "" {
			wanted[name] = []string{own}
		}
	}
	var steps []mailroom.SetupStep
	for _, name := range names {
		if len(wanted[name]) == 0 {
			continue
		}
		step := mailroom.SetupStep{What: "permission set " + name, State: mailroom.StepMissing,
			Detail: fmt.Sprintf("to be assigned to %d of %d Users", len(wanted[name]), len(wanted[name]))}
		if !waits {
			step = a.prepareSet(ctx, name, wanted[name], apply)
		}
		steps = append(steps, step)
	}
	return steps
}

// assignBatch is how many assignments are made in one call.
const assignBatch = 200

func (a admin) prepareSet(ctx context.Context, name string, users []string, apply bool) mailroom.SetupStep {
	step := mailroom.SetupStep{What: "permission set " + name, State: mailroom.StepThere}
	var sets []struct{ ID string }
	if err := a.query(ctx, "SELECT Id FROM PermissionSet WHERE Name = '"+name+"' AND NamespacePrefix = null", &sets); err != nil {
		return a.refused(step.What, err)
	}
	if len(sets) == 0 {
		step.State, step.Detail, step.Remedy = mailroom.StepFailed, "the org has no such set", "deploy the package again"
		return step
	}
	var missing []string
	for part := range slices.Chunk(users, assignBatch) {
		var have []struct{ AssigneeID string }
		if err := a.query(ctx, "SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId = '"+sets[0].ID+
			"' AND AssigneeId IN "+in(part), &have); err != nil {
			return a.refused(step.What, err)
		}
		for _, id := range part {
			if !slices.ContainsFunc(have, func(h struct{ AssigneeID string }) bool { return h.AssigneeID == id }) {
				missing = append(missing, id)
			}
		}
	}
	step.Detail = fmt.Sprintf("assigned to all of %d Users", len(users))
	if len(missing) == 0 {
		return step
	}
	step.State, step.Detail = mailroom.StepMissing, fmt.Sprintf("to be assigned to %d of %d Users", len(missing), len(users))
	if !apply {
		return step
	}
	refusals := map[string]bool{}
	for part := range slices.Chunk(missing, assignBatch) {
		rows := []map[string]any{}
		for _, id := range part {
			rows = append(rows, map[string]any{"attributes": map[string]string{"type": "PermissionSetAssignment"},
				"AssigneeId": id, "PermissionSetId": sets[0].ID})
		}
		body, err := encodeJSON(map[string]any{"allOrNone": false, "records": rows})
		if err != nil {
			return a.refused(step.What, err)
		}
		got, err := a.do(ctx, call{method: http.MethodPost, path: "composite/sobjects", body: body})
		if err != nil {
			return a.refused(step.What, err)
		}
		var results []struct {
			Success bool `json:"success"`
			Errors  []struct {
				Code string `json:"statusCode"`
			} `json:"errors"`
		}
		if err := json.Unmarshal(got.body, &results); err != nil || len(results) != len(part) {
			return a.refused(step.What, unanswered(got.status, errors.New("the answer to assignments cannot be read")))
		}
		for i, r := range results {
			if !r.Success && len(r.Errors) > 0 && r.Errors[0].Code != "DUPLICATE_VALUE" { // somebody was faster
				refusals[part[i]+": "+r.Errors[0].Code] = true
			}
		}
	}
	if len(refusals) > 0 {
		named := slices.Sorted(maps.Keys(refusals))
		step.State = mailroom.StepFailed
		step.Detail = fmt.Sprintf("%d of %d Users did not get it: %s", len(named), len(missing),
			strings.Join(named[:min(len(named), shownProblems)], "; "))
		step.Remedy = "assign it in Setup: the user's licence may not allow it"
		return step
	}
	step.State, step.Detail = mailroom.StepMade, fmt.Sprintf("assigned to %d Users", len(missing))
	return step
}

// prepareLayouts puts the related list InMails on those layouts of Lead, Contact and Account that lack it.
// undo is a deployment that puts them back as they were; nil: none was changed.
func (a admin) prepareLayouts(ctx context.Context, apply bool) (steps []mailroom.SetupStep, undo []byte) {
	const what = "layouts"
	there, err := a.list(ctx, []string{"Layout"}, nil)
	if err != nil {
		return []mailroom.SetupStep{a.refused(what, err)}, nil
	}
	var names []string
	for _, key := range slices.Sorted(maps.Keys(there)) {
		name := strings.TrimPrefix(key, "Layout ")
		if object, _, _ := strings.Cut(name, "-"); layoutLookups[object] != "" {
			names = append(names, name)
		}
	}
	before, after := map[string][]byte{}, map[string][]byte{}
	for part := range slices.Chunk(names, readAtOnce) {
		found, err := a.readLayouts(ctx, part)
		if err != nil {
			return []mailroom.SetupStep{a.refused(what, err)}, nil
		}
		for _, name := range part {
			step := mailroom.SetupStep{What: "layout " + name, State: mailroom.StepThere, Detail: "shows InMails"}
			if elements, ok := withRelatedList(name, found[name]); ok {
				step.State, step.Detail = mailroom.StepMissing, "without the related list InMails"
				before["layouts/"+name+".layout"] = sfpackage.Document("Layout", found[name])
				after["layouts/"+name+".layout"] = sfpackage.Document("Layout", elements)
			}
			steps = append(steps, step)
		}
	}
	if len(after) == 0 || !apply {
		return steps, nil
	}
	outcome := mailroom.SetupStep{State: mailroom.StepMade, Detail: "shows InMails now"}
	zipped, err := a.zip(after)
	if err == nil {
		undo, err = a.zip(before)
	}
	if err != nil {
		return append(steps, mailroom.SetupStep{What: what, State: mailroom.StepFailed, Detail: err.Error()}), nil
	}
	d, err := a.deploy(ctx, zipped, false)
	switch {
	case err != nil:
		outcome, undo = a.refused("", err), nil
	case !d.Result.Done:
		outcome = mailroom.SetupStep{State: mailroom.StepMissing, Detail: d.waits()}
	case d.problem() != "":
		outcome = mailroom.SetupStep{State: mailroom.StepFailed, Detail: d.problem(),
			Remedy: "add the related list in Setup: connectors/salesforce/package/README.md, step 5"}
		undo = nil
	}
	for i := range steps {
		if steps[i].State == mailroom.StepMissing {
			steps[i].State, steps[i].Detail, steps[i].Remedy = outcome.State, outcome.Detail, outcome.Remedy
		}
	}
	return steps, undo
}

// zip packs files with their package.xml.
func (a admin) zip(files map[string][]byte) ([]byte, error) {
	manifest, err := sfpackage.Manifest(files, a.c.config.APIVersion)
	if err != nil {
		return nil, err
	}
	whole := maps.Clone(files)
	whole["package.xml"] = manifest
	return sfpackage.Zip(whole)
}

// readLayouts returns the elements of layouts by name.
func (a admin) readLayouts(ctx context.Context, names []string) (map[string][]sfpackage.Element, error) {
	var operation strings.Builder
	operation.WriteString("<readMetadata><type>Layout</type>")
	for _, name := range names {
		operation.WriteString("<fullNames>" + escapeText(name) + "</fullNames>")
	}
	operation.WriteString("</readMetadata>")
	var got struct {
		Records []struct {
			Name string `xml:"fullName"`
			XML  string `xml:",innerxml"`
		} `xml:"Body>readMetadataResponse>result>records"`
	}
	if err := a.soap(ctx, operation.String(), &got); err != nil {
		return nil, err
	}
	found := map[string][]sfpackage.Element{}
	for _, r := range got.Records {
		_, elements, err := sfpackage.Elements([]byte(`<Layout xmlns="` + sfpackage.Namespace + `">` + r.XML + `</Layout>`))
		if err != nil {
			return nil, unanswered(http.StatusOK, errors.New("a layout cannot be read"))
		}
		found[r.Name] = slices.DeleteFunc(elements, func(e sfpackage.Element) bool { return e.Name == "fullName" })
	}
	return found, nil
}

// withRelatedList returns the elements of a layout with the related list of InMails; ok is false when the
// layout has it, or was not read.
func withRelatedList(name string, elements []sfpackage.Element) (with []sfpackage.Element, ok bool) {
	object, _, _ := strings.Cut(name, "-")
	list := inMailObject + "." + layoutLookups[object]
	if len(elements) == 0 || slices.ContainsFunc(elements, func(e sfpackage.Element) bool {
		return e.Name == "relatedLists" && e.Child("relatedList") == list
	}) {
		return nil, false
	}
	var text strings.Builder
	text.WriteString("<relatedLists><excludeButtons>New</excludeButtons>")
	for _, column := range relatedColumns {
		text.WriteString("<fields>" + column + "</fields>")
	}
	text.WriteString("<relatedList>" + list + "</relatedList><sortField>Sent_At__c</sortField><sortOrder>Desc</sortOrder></relatedLists>")
	at := slices.IndexFunc(elements, func(e sfpackage.Element) bool { return e.Name > "relatedLists" })
	if at < 0 {
		at = len(elements)
	}
	return slices.Insert(slices.Clone(elements), at, sfpackage.Element{Name: "relatedLists", XML: text.String()}), true
}
