package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/simpleforce/simpleforce"
)

// quiet keeps the log of simpleforce, which contains its requests, out of the tests' output.
func quiet(t *testing.T) {
	t.Helper()
	before := log.Writer()
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(before) })
}

func simpleClient(g *org) *simpleforce.Client {
	c := simpleforce.NewClient(g.server.URL, simpleforce.DefaultClientID, "64.0")
	c.SetHttpClient(g.server.Client())
	return c
}

func loginCode(t *testing.T, err error) string {
	t.Helper()
	var refused simpleforce.SalesforceError
	if !errors.As(err, &refused) {
		t.Fatalf("login: %v", err)
	}
	return refused.ErrorCode
}

func TestSimpleforceLogin(t *testing.T) {
	quiet(t)
	expired := func(o *Options) { o.Credentials.Users[0].PasswordExpired = true }
	t.Run("by_SOAP", func(t *testing.T) {
		g := newOrg(t)
		c := simpleClient(g)
		if err := c.LoginPassword("integration@example.com", "pass", "token"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Query("SELECT Id FROM User"); err != nil {
			t.Error(err)
		}
	})
	t.Run("wrong_password", func(t *testing.T) {
		c := simpleClient(newOrg(t))
		if got := loginCode(t, c.LoginPassword("integration@example.com", "pass", "")); got != "sf:INVALID_LOGIN" {
			t.Errorf("code %s", got)
		}
	})
	t.Run("not_since_65", func(t *testing.T) {
		g := newOrg(t)
		c := simpleforce.NewClient(g.server.URL, simpleforce.DefaultClientID, "65.0")
		if got := loginCode(t, c.LoginPassword("integration@example.com", "pass", "token")); got != "sf:INVALID_OPERATION" {
			t.Errorf("code %s", got)
		}
	})
	t.Run("disabled_in_the_org", func(t *testing.T) {
		c := simpleClient(newOrg(t, func(o *Options) { o.SOAPDisabled = true }))
		if got := loginCode(t, c.LoginPassword("integration@example.com", "pass", "token")); got != "sf:INVALID_OPERATION" {
			t.Errorf("code %s", got)
		}
	})
	t.Run("expired_password_gives_a_session_that_may_do_nothing", func(t *testing.T) {
		c := simpleClient(newOrg(t, expired))
		if err := c.LoginPassword("integration@example.com", "pass", "token"); err != nil {
			t.Fatal(err)
		}
		_, err := c.Query("SELECT Id FROM User")
		if got := loginCode(t, err); got != "INVALID_SESSION_ID" {
			t.Errorf("code %s", got)
		}
	})
}

func TestSimpleforceRows(t *testing.T) {
	quiet(t)
	g := newOrg(t)
	c := simpleClient(g)
	c.SetSidLoc(g.token, g.server.URL)
	lead := c.SObject("Lead").Set("LastName", "Doe").Set("Company", "ACME").Create()
	if lead == nil || len(lead.ID()) != 18 {
		t.Fatal("create failed")
	}
	if lead.Set("Title", "CTO").Update() == nil {
		t.Error("update failed")
	}
	if got := c.SObject("Lead").Get(lead.ID()); got == nil || got.StringField("Title") != "CTO" {
		t.Error("get after the update")
	}
	up := c.SObject("InMail__c").Set("ExternalIDField", "InMail_Id__c").Set("InMail_Id__c", "one").Set("Status__c", "Sent").Upsert()
	if up == nil {
		t.Fatal("upsert failed")
	}
	result, err := c.Query("SELECT Id, InMail_Id__c FROM InMail__c")
	if err != nil || result.TotalSize != 1 || result.Records[0].StringField("InMail_Id__c") != "one" {
		t.Errorf("query: %v %+v", err, result)
	}
	meta, err := c.DescribeGlobal()
	if err != nil || (*meta)["sobjects"] == nil {
		t.Errorf("describe global: %v", err)
	}
	if c.SObject("Lead").Describe() == nil {
		t.Error("describe failed")
	}
	if err := lead.Delete(); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestSimpleforceAsTransport(t *testing.T) {
	quiet(t)
	g := newOrg(t)
	c := simpleClient(g)
	c.SetSidLoc(g.token, g.server.URL)
	body := `{"records":[{"attributes":{"type":"InMail__c"},"InMail_Id__c":"a"},{"attributes":{"type":"InMail__c"},"InMail_Id__c":"A"},{"attributes":{"type":"InMail__c"},"InMail_Id__c":"b"}]}`
	data, err := c.ApexREST("PATCH", "services/data/v67.0/composite/sobjects/InMail__c/InMail_Id__c", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Success, Created bool
		Errors           []struct{ StatusCode, Message string }
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		if r.Success {
			got = append(got, "stored")
			continue
		}
		got = append(got, r.Errors[0].StatusCode+" "+r.Errors[0].Message)
	}
	want := []string{"DUPLICATE_VALUE Duplicate external id specified: a", "DUPLICATE_VALUE Duplicate external id specified: A", "stored"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
