package salesforce

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"inmail/connectors/salesforce/sandbox"
)

// faultsOf returns the findings that are not OK, by what they are about.
func faultsOf(findings []Finding) map[string]Finding {
	out := map[string]Finding{}
	for _, f := range findings {
		if !f.OK {
			out[f.What] = f
		}
	}
	return out
}

func TestCheckOfAnOrgThatIsWell(t *testing.T) {
	o := newOrg(t)
	var findings []Finding
	calls := o.calls(func() { findings = o.crm.Check(context.Background()) })
	if faults := faultsOf(findings); len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
	for _, what := range []string{"version", "login", "limits", "owners", "InMail__c", "Task", "Lead", "Contact", "Account", "InMail__c.InMail_Id__c",
		"InMail__c.Status__c", "Task.InMail_Event_Id__c", "Lead.InMail_Member_Id__c", "InMail__c.Never_Backwards"} {
		found := false
		for _, f := range findings {
			found = found || f.What == what
		}
		if !found {
			t.Errorf("%s was not looked at", what)
		}
	}
	if calls > 4 || len(o.inmails()) != 0 || len(o.History()) != 0 {
		t.Errorf("%d calls, and %d changes in the org", calls, len(o.History()))
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	_, path := newKey(t)
	for _, row := range []struct {
		name         string
		change       set
		what, remedy string
	}{
		{"wrong secret", func(_ *sandbox.Options, c *Config, _ *Deps) { c.ClientSecret = "wrong" }, "login", "salesforce.client_secret is wrong"},
		{"wrong id", func(_ *sandbox.Options, c *Config, _ *Deps) { c.ClientID = "wrong" }, "login", "salesforce.client_id is not the consumer key"},
		{"nobody to run as", func(s *sandbox.Options, _ *Config, _ *Deps) { s.Credentials.Users[0].Inactive = true }, "login", "Run As"},
		{"permission set", func(s *sandbox.Options, _ *Config, _ *Deps) { s.PermissionSetUnassigned = true }, "permission set", "assign the permission set InMail_Integration"},
		{"retired version", func(_ *sandbox.Options, c *Config, _ *Deps) { c.APIVersion = "99.0" }, "version", "set salesforce.api_version"},
		{"SOAP disabled", func(s *sandbox.Options, c *Config, d *Deps) { bySOAP(s, c, d); s.SOAPDisabled = true }, "login", "SOAP login is disabled"},
		{"wrong password", func(s *sandbox.Options, c *Config, d *Deps) { bySOAP(s, c, d); c.Password = "wrong" }, "login", "salesforce.password"},
		{"password expired", func(s *sandbox.Options, c *Config, d *Deps) {
			bySOAP(s, c, d)
			s.Credentials.Users[0].PasswordExpired = true
		}, "login", "password has expired"},
		{"foreign certificate", func(s *sandbox.Options, c *Config, _ *Deps) {
			s.Credentials.JWTKeys = []*rsa.PublicKey{}
			c.ClientSecret, c.Username, c.JWTKeyFile = "", testUsername, path
		}, "login", "certificate of salesforce.jwt_key_file"},
		{"owner that is not there", func(s *sandbox.Options, c *Config, _ *Deps) {
			s.Credentials.Users[0].Integration = false
			c.Owners = []string{"sally=005SB0000000999", "peter=005SB0000000001"}
		}, "owners", "correct salesforce.owners"},
	} {
		t.Run(row.name, func(t *testing.T) {
			captureStandardLog(t)
			o := newOrg(t, row.change)
			findings := o.crm.Check(context.Background())
			f, ok := faultsOf(findings)[row.what]
			if !ok || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("%+v", findings)
			}
			if strings.Contains(fmt.Sprint(findings), testSecret) || strings.Contains(fmt.Sprint(findings), "pass<word>") {
				t.Error("a secret is shown")
			}
		})
	}
	t.Run("owners that the user cannot see", func(t *testing.T) {
		o := newOrg(t, func(_ *sandbox.Options, c *Config, _ *Deps) { c.Owners = []string{"sally=005SB0000000001"} })
		if faults := faultsOf(o.crm.Check(context.Background())); len(faults) > 0 {
			t.Errorf("%+v", faults)
		}
	})
	t.Run("edit on Lead and Contact is a choice", func(t *testing.T) {
		for withheld, detail := range map[bool]string{false: "given", true: "withheld"} {
			o := newOrg(t, func(s *sandbox.Options, _ *Config, _ *Deps) { s.PeopleSetUnassigned = withheld })
			findings := o.crm.Check(context.Background())
			if faults := faultsOf(findings); len(faults) > 0 {
				t.Errorf("%s: %+v", detail, faults)
			}
			at := slices.IndexFunc(findings, func(f Finding) bool { return f.What == "Lead and Contact: edit" })
			if at < 0 || !strings.HasPrefix(findings[at].Detail, detail) || (findings[at].Remedy == "") == withheld {
				t.Errorf("%s: %+v", detail, findings)
			}
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		o := newOrg(t)
		o.through(&tamper{before: func(*http.Request) *http.Response { return respond(http.StatusBadGateway, "<html>") }})
		if f := faultsOf(o.crm.Check(context.Background()))["version"]; !strings.Contains(f.Remedy, "salesforce.url") {
			t.Errorf("%+v", f)
		}
	})
	t.Run("right after a failed login", func(t *testing.T) {
		o := newOrg(t)
		if err := o.crm.shared.Put(context.Background(), "login_failed:"+o.crm.login.print, []byte("invalid_client"), failureKept); err != nil {
			t.Fatal(err)
		}
		if faults := faultsOf(o.crm.Check(context.Background())); len(faults) > 0 {
			t.Errorf("%+v", faults)
		}
	})
	t.Run("budget spent", func(t *testing.T) {
		o := newOrg(t, allowing(100, 0.2))
		o.push(plain(0))
		o.SpendCalls(200)
		found := faultsOf(o.crm.Check(context.Background()))
		if f, ok := found["objects"]; !ok || !strings.Contains(f.Remedy, "salesforce.budget") {
			t.Errorf("%+v", found)
		}
	})
}

// TestCheckComparesFields checks that each difference between a field and the package is reported with the
// field's name.
func TestCheckComparesFields(t *testing.T) {
	for _, row := range []struct {
		field  string
		change func(f map[string]any)
		detail string
	}{
		{"Subject__c", func(f map[string]any) { f["name"] = "Renamed__c" }, "missing"},
		{"Subject__c", func(f map[string]any) { f["length"] = 80 }, "length 80, less than 200"},
		{"Subject__c", func(f map[string]any) { f["updateable"] = false }, "may not edit"},
		{"Subject__c", func(f map[string]any) { f["type"] = "textarea" }, "type textarea, not string"},
		{"InMail_Id__c", func(f map[string]any) { f["unique"] = false }, "not unique"},
		{"InMail_Id__c", func(f map[string]any) { f["externalId"] = false }, "not an external id"},
		{"Status__c", func(f map[string]any) { f["picklistValues"] = f["picklistValues"].([]any)[1:] }, "without the active value"},
		{"Tags__c", func(f map[string]any) { f["restrictedPicklist"] = true }, "restricted to its values"},
		{"Lead__c", func(f map[string]any) { f["referenceTo"] = []string{"Account"} }, "does not refer to Lead"},
		{"Status_Sequence__c", func(f map[string]any) { f["precision"] = 5 }, "5 digits, fewer than 18"},
		{"Delivered__c", func(f map[string]any) { f["calculated"] = false }, "a formula: false"},
	} {
		t.Run(row.field+" "+row.detail, func(t *testing.T) {
			o := newOrg(t)
			o.through(&tamper{after: func(req *http.Request, status int, body []byte) (int, []byte) {
				if !isComposite(req) {
					return status, body
				}
				return status, compositeSteps(body, func(ref string, status int, body any) (int, any) {
					if d, ok := body.(map[string]any); ok && ref == "InMail" {
						for _, f := range d["fields"].([]any) {
							if f := f.(map[string]any); f["name"] == row.field {
								row.change(f)
							}
						}
					}
					return status, body
				})
			}})
			faults := faultsOf(o.crm.Check(context.Background()))
			if f := faults["InMail__c."+row.field]; len(faults) != 1 || !strings.Contains(f.Detail, row.detail) || f.Remedy == "" {
				t.Errorf("%+v", faults)
			}
		})
	}
}

// TestCheckOfTheRule checks that an inactive rule is distinguished from another rule of the org that refuses
// the probe.
func TestCheckOfTheRule(t *testing.T) {
	step := func(ref, code, message string) any {
		return map[string]any{"referenceId": ref, "httpStatusCode": 400, "body": []any{map[string]any{"errorCode": code, "message": message}}}
	}
	for _, row := range []struct {
		name   string
		steps  []any
		remedy string
	}{
		{"off", []any{step("newer", "PROCESSING_HALTED", ""), step("older", "PROCESSING_HALTED", ""), step("never", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "")}, "activate the validation rule"},
		{"theirs", []any{step("newer", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no"), step("older", "PROCESSING_HALTED", ""), step("never", "PROCESSING_HALTED", "")}, "exempt the integration user"},
		{"theirs, for changes", []any{step("newer", "PROCESSING_HALTED", ""), step("older", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no"), step("never", "PROCESSING_HALTED", "")}, "exempt the integration user"},
		{"unclear", nil, "try again"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOrg(t)
			o.through(&tamper{after: func(req *http.Request, status int, body []byte) (int, []byte) {
				if !isComposite(req) || !strings.Contains(string(body), `"older"`) {
					return status, body
				}
				changed, err := json.Marshal(map[string]any{"compositeResponse": row.steps})
				if err != nil {
					panic(err)
				}
				return status, changed
			}})
			if f := faultsOf(o.crm.Check(context.Background()))["InMail__c.Never_Backwards"]; !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("%+v", f)
			}
		})
	}
}
