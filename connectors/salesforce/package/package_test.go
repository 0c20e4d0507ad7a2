package sfpackage

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/richtext"
)

func mustLoad(t testing.TB) Model {
	t.Helper()
	m, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustObject(t testing.TB, m Model, name string) Object {
	t.Helper()
	o, ok := m.Object(name)
	if !ok {
		t.Fatalf("the package has no %s", name)
	}
	return o
}

// fixedModel is the stored model on which reports of sales teams and other programs rely. Names, types and
// limits in it do not change.
var fixedModel = map[string]Field{
	"InMail__c.InMail_Id__c":        {Type: Text, Length: 36, ExternalID: true, Unique: true, Required: true},
	"InMail__c.Status__c":           {Type: Picklist, Restricted: true, Values: statuses()},
	"InMail__c.Status_Sequence__c":  {Type: Number, Precision: 18},
	"InMail__c.Subject__c":          {Type: Text, Length: domain.MaxSubject},
	"InMail__c.Preview__c":          {Type: Text, Length: richtext.MaxPreview},
	"InMail__c.Body__c":             {Type: LongTextArea, Length: 32768},
	"InMail__c.Sent_At__c":          {Type: DateTime},
	"InMail__c.Expires_At__c":       {Type: DateTime},
	"InMail__c.Opened_At__c":        {Type: DateTime},
	"InMail__c.Replied_At__c":       {Type: DateTime},
	"InMail__c.Declined_At__c":      {Type: DateTime},
	"InMail__c.Expired_At__c":       {Type: DateTime},
	"InMail__c.Retracted_At__c":     {Type: DateTime},
	"InMail__c.Refused_Reason__c":   {Type: Text, Length: 80},
	"InMail__c.Replies__c":          {Type: Number, Precision: 9},
	"InMail__c.Tags__c":             {Type: MultiselectPicklist, ValueSet: "InMail_Tag"},
	"InMail__c.Category__c":         {Type: Text, Length: mailroom.MaxCategory},
	"InMail__c.Sender_Member__c":    {Type: Text, Length: domain.MaxMemberID, ExternalID: true},
	"InMail__c.Sender_Name__c":      {Type: Text, Length: 120},
	"InMail__c.Recipient_Member__c": {Type: Text, Length: domain.MaxMemberID, ExternalID: true},
	"InMail__c.Recipient_Name__c":   {Type: Text, Length: 120},
	"InMail__c.Sender_User__c":      {Type: Lookup, ReferenceTo: "User", RelationshipName: "InMails_Sent", DeleteConstraint: "SetNull"},
	"InMail__c.Link__c":             {Type: URL},
	"InMail__c.Answer__c":           {Type: LongTextArea, Length: 32768},
	"InMail__c.Candidates__c":       {Type: LongTextArea, Length: 4000},
	"InMail__c.Company__c":          {Type: Text, Length: 255},
	"InMail__c.Headline__c":         {Type: Text, Length: 255},
	"InMail__c.Profile_Link__c":     {Type: URL},
	"InMail__c.Lead__c":             {Type: Lookup, ReferenceTo: "Lead", RelationshipName: "InMails", DeleteConstraint: "SetNull"},
	"InMail__c.Contact__c":          {Type: Lookup, ReferenceTo: "Contact", RelationshipName: "InMails", DeleteConstraint: "SetNull"},
	"InMail__c.Account__c":          {Type: Lookup, ReferenceTo: "Account", RelationshipName: "InMails", DeleteConstraint: "SetNull"},
	"InMail__c.Match__c":            {Type: Picklist, Restricted: true, Values: matches()},
	"InMail__c.Open_Rate_Cohort__c": {Type: Text, Length: 10},
	"InMail__c.Cohort_Monday__c":    {Type: Date},
	"InMail__c.Campaign__c":         {Type: Lookup, ReferenceTo: "Campaign", RelationshipName: "InMails", DeleteConstraint: "SetNull"},

	"Lead.InMail_Member_Id__c":      {Type: Text, Length: domain.MaxMemberID, ExternalID: true},
	"Contact.InMail_Member_Id__c":   {Type: Text, Length: domain.MaxMemberID, ExternalID: true},
	"Lead.InMail_Last_At__c":        {Type: DateTime},
	"Lead.InMail_Last_Status__c":    {Type: Text, Length: 40},
	"Lead.InMails_Sent__c":          {Type: Number, Precision: 9},
	"Lead.InMail_Answered_At__c":    {Type: DateTime},
	"Contact.InMail_Last_At__c":     {Type: DateTime},
	"Contact.InMail_Last_Status__c": {Type: Text, Length: 40},
	"Contact.InMails_Sent__c":       {Type: Number, Precision: 9},
	"Contact.InMail_Answered_At__c": {Type: DateTime},
	"Activity.InMail_Event_Id__c":   {Type: Text, Length: 80, ExternalID: true, Unique: true},
}

// statuses are the values of Status__c: the domain's statuses, capitalised. The org sorts them differently.
func statuses() (names []string) {
	for _, s := range domain.Statuses() {
		names = append(names, strings.ToUpper(string(s[:1]))+string(s[1:]))
	}
	return names
}

// matches are the values of Match__c, which are the domain's.
func matches() (names []string) {
	for _, m := range domain.Matches() {
		names = append(names, string(m))
	}
	return names
}

func TestModel(t *testing.T) {
	m := mustLoad(t)

	t.Run("stored fields are the fixed model", func(t *testing.T) {
		got := map[string]Field{}
		for _, o := range m.Objects {
			for _, f := range o.Fields {
				if f.Computed() {
					continue
				}
				name := o.Name + "." + f.Name
				f.Name, f.Label, f.Description, f.Help = "", "", "", ""
				if f.ValueSet != "" {
					f.Values = nil // people may add tags to the set
				}
				got[name] = f
			}
		}
		if diff := cmp.Diff(fixedModel, got, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
			t.Errorf("model (-want +got):\n%s", diff)
		}
	})

	t.Run("beyond it there are only formulas, on InMail__c", func(t *testing.T) {
		var computed []string
		for _, o := range m.Objects {
			for _, f := range o.Fields {
				if f.Computed() {
					computed = append(computed, o.Name+"."+f.Name)
				}
			}
		}
		want := []string{
			"InMail__c.Cohort_Starts_On__c", "InMail__c.Delivered__c", "InMail__c.Hours_Left__c", "InMail__c.Open_Rate_State__c",
			"InMail__c.Opened__c", "InMail__c.Replied_In_Time__c", "InMail__c.Response_Rate_State__c", "InMail__c.Sender__c",
		}
		if diff := cmp.Diff(want, computed); diff != "" {
			t.Errorf("computed fields (-want +got):\n%s", diff)
		}
	})

	t.Run("the object", func(t *testing.T) {
		o := mustObject(t, m, "inmail__C") // found in any case
		o.Fields, o.Rules = nil, nil
		want := Object{
			Name: "InMail__c", Custom: true, Label: "InMail", PluralLabel: "InMails", NameLabel: "InMail Number",
			NameFormat: "IM-{0000000}", Activities: true, SharingModel: "Read",
		}
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("InMail__c (-want +got):\n%s", diff)
		}
		var names []string
		for _, o := range m.Objects {
			names = append(names, o.Name)
		}
		if diff := cmp.Diff([]string{"Activity", "Contact", "InMail__c", "Lead"}, names); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
	})

	t.Run("tags take their values from the global set", func(t *testing.T) {
		tags, _ := mustObject(t, m, "InMail__c").Field("tags__c")
		if len(m.ValueSets) != 1 || m.ValueSets[0].Name != "InMail_Tag" || len(m.ValueSets[0].Values) == 0 {
			t.Fatalf("value sets are %+v", m.ValueSets)
		}
		if diff := cmp.Diff(m.ValueSets[0].Values, tags.Values); diff != "" {
			t.Errorf("values of Tags__c (-set +field):\n%s", diff)
		}
		for _, v := range tags.Values { // R56: a tag is stored as it is normalised
			if v != strings.ToLower(strings.TrimSpace(v)) || strings.Contains(v, ";") {
				t.Errorf("tag %q is not in its normal form", v)
			}
		}
	})
}

func TestLoadNamesWhatIsBroken(t *testing.T) {
	fields := metadata + "/objects/InMail__c/fields/"
	for name, c := range map[string]struct {
		file, content, says string
	}{
		"malformed XML":     {fields + "Replies__c.field-meta.xml", "<CustomField><label>x</CustomField>", "Replies__c.field-meta.xml"},
		"wrong root":        {fields + "Replies__c.field-meta.xml", "<ListView></ListView>", "Replies__c.field-meta.xml"},
		"no number":         {fields + "Subject__c.field-meta.xml", "<CustomField><length>many</length></CustomField>", "Subject__c.field-meta.xml"},
		"unknown value set": {fields + "Tags__c.field-meta.xml", "<CustomField><valueSet><valueSetName>Nothing</valueSetName></valueSet></CustomField>", "no global value set Nothing"},
		"no object file":    {metadata + "/objects/Other__c/fields/A__c.field-meta.xml", "<CustomField></CustomField>", "Other__c.object-meta.xml"},
		"project":           {projectFile, "{", projectFile},
	} {
		t.Run(name, func(t *testing.T) {
			files := copyOf(t, Files())
			files[c.file] = &fstest.MapFile{Data: []byte(c.content)}
			_, err := load(files)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("load says %v, not %q", err, c.says)
			}
		})
	}
}

func copyOf(t *testing.T, from fs.FS) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(from, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, p)
		files[p] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPermissionSets(t *testing.T) {
	m := mustLoad(t)
	inMail := mustObject(t, m, "InMail__c")
	set := func(t *testing.T, name string) PermissionSet {
		t.Helper()
		p, ok := m.PermissionSet(name)
		if !ok {
			t.Fatalf("no permission set %s", name)
		}
		return p
	}

	t.Run("integration writes every stored field and reads every other", func(t *testing.T) {
		p := set(t, IntegrationSet)
		for _, f := range inMail.Fields {
			got, listed := p.Fields["InMail__c."+f.Name]
			if f.Required {
				if listed {
					t.Errorf("%s is required: an org refuses to deploy a grant of it", f.Name)
				}
				continue
			}
			if want := (FieldAccess{Read: true, Edit: !f.Computed()}); got != want {
				t.Errorf("%s is granted %+v, not %+v", f.Name, got, want)
			}
		}
		if diff := cmp.Diff([]string{"ActivitiesAccess", "ApiEnabled", "EditTask"}, p.System); diff != "" {
			t.Errorf("user permissions (-want +got):\n%s", diff)
		}
	})

	t.Run("integration finds people and changes nothing of them", func(t *testing.T) {
		p := set(t, IntegrationSet)
		for _, o := range []string{"Lead", "Contact", "Account"} {
			if want := (ObjectAccess{Read: true, ViewAll: true}); p.Objects[o] != want {
				t.Errorf("%s is granted %+v, not %+v", o, p.Objects[o], want)
			}
		}
		for name, access := range p.Fields {
			o, f, _ := strings.Cut(name, ".")
			if slices.Contains([]string{"Lead", "Contact", "Account"}, o) && access.Edit {
				t.Errorf("%s: %s may be edited", o, f)
			}
		}
		for _, needed := range []string{"Lead.Email", "Contact.Email", "Contact.AccountId", "Lead.InMail_Member_Id__c", "Contact.InMail_Member_Id__c"} {
			if !p.Fields[needed].Read {
				t.Errorf("%s cannot be read: matching fails with INVALID_FIELD", needed)
			}
		}
	})

	t.Run("people edits the fields of InMail on Lead and Contact and nothing else", func(t *testing.T) {
		p := set(t, PeopleSet)
		if diff := cmp.Diff(map[string]ObjectAccess{"Lead": {Read: true, Edit: true}, "Contact": {Read: true, Edit: true}}, p.Objects); diff != "" {
			t.Errorf("objects (-want +got):\n%s", diff)
		}
		want := map[string]FieldAccess{}
		for _, name := range []string{"Lead", "Contact"} {
			for _, f := range mustObject(t, m, name).Fields {
				want[name+"."+f.Name] = FieldAccess{Read: true, Edit: true}
			}
		}
		if diff := cmp.Diff(want, p.Fields); diff != "" || len(p.System) != 0 {
			t.Errorf("fields (-want +got):\n%s\nuser permissions %v", diff, p.System)
		}
	})

	t.Run("integration owns InMail__c whoever owns the record", func(t *testing.T) {
		want := ObjectAccess{Create: true, Read: true, Edit: true, Delete: true, ViewAll: true, ModifyAll: true}
		if got := set(t, IntegrationSet).Objects["InMail__c"]; got != want {
			t.Errorf("InMail__c is granted %+v, not %+v", got, want)
		}
	})

	t.Run("integration logs tasks", func(t *testing.T) {
		p := set(t, IntegrationSet)
		for _, f := range []string{"WhoId", "WhatId", "ActivityDate", "Description", "Type", "InMail_Event_Id__c"} {
			if want := (FieldAccess{Read: true, Edit: true}); p.Fields["Task."+f] != want {
				t.Errorf("Task.%s is granted %+v, not %+v", f, p.Fields["Task."+f], want)
			}
		}
	})

	// Task and Event share the field-level security of these fields; one that is left out is forbidden for
	// both.
	t.Run("what Task and Event share is granted for both", func(t *testing.T) {
		for _, p := range m.PermissionSets {
			for _, f := range []string{"WhoId", "WhatId", "Description", "Type", "InMail_Event_Id__c"} {
				if p.Fields["Task."+f] != p.Fields["Event."+f] {
					t.Errorf("%s: Task.%s is %+v, Event.%s is %+v", p.Name, f, p.Fields["Task."+f], f, p.Fields["Event."+f])
				}
			}
		}
	})

	t.Run("readers read all and write nothing", func(t *testing.T) {
		p := set(t, ReaderSet)
		if want := (ObjectAccess{Read: true}); p.Objects["InMail__c"] != want || len(p.Objects) != 1 {
			t.Errorf("objects granted are %+v", p.Objects)
		}
		for _, f := range inMail.Fields {
			if want := (FieldAccess{Read: !f.Required}); p.Fields["InMail__c."+f.Name] != want {
				t.Errorf("%s is granted %+v, not %+v", f.Name, p.Fields["InMail__c."+f.Name], want)
			}
		}
		for name, access := range p.Fields {
			if access.Edit {
				t.Errorf("%s may be edited", name)
			}
		}
		if len(p.System) != 0 {
			t.Errorf("user permissions granted are %v", p.System)
		}
	})

	t.Run("matching edits the two member ids only", func(t *testing.T) {
		p := set(t, MatchingSet)
		want := map[string]FieldAccess{"Lead.InMail_Member_Id__c": {Read: true, Edit: true}, "Contact.InMail_Member_Id__c": {Read: true, Edit: true}}
		if diff := cmp.Diff(want, p.Fields); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
		if len(p.Objects)+len(p.System) != 0 {
			t.Errorf("also granted: %v %v", p.Objects, p.System)
		}
	})
}
