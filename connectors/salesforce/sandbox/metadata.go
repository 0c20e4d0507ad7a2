package sandbox

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	sfpackage "inmail/connectors/salesforce/package"
)

// maxDeployZip is how large a deployment may be, in bytes.
const maxDeployZip = 39 << 20

// metadata is what the Metadata API keeps: the files of the package that are deployed, and the deployments
// and retrievals. It ends with the process.
type metadata struct {
	mu       sync.Mutex
	files    map[string][]byte // by their names in a zip; layouts of standard objects are not among them
	requests map[string]*metadataRequest
	next     uint64
	refused  map[string]string // problems of all components of a type
	slow     int               // so many questions more are answered InProgress
}

// metadataRequest is a deployment or a retrieval. Each question about it moves it on by one state.
type metadataRequest struct {
	id       string
	asked    int
	options  deployOptions
	at       time.Time
	user     caller
	success  bool
	parts    []deployMessage
	zip      []byte         // of a retrieval
	found    []fileProperty // of a retrieval
	missing  []string       // of a retrieval
	retrieve bool
}

// deployOptions are the options of a deployment that the sandbox knows.
type deployOptions struct {
	CheckOnly       bool   `json:"checkOnly"`
	RollbackOnError bool   `json:"rollbackOnError"`
	SinglePackage   bool   `json:"singlePackage"`
	IgnoreWarnings  bool   `json:"ignoreWarnings"`
	TestLevel       string `json:"testLevel,omitempty"`
}

// deployMessage is the outcome of one component of a deployment.
type deployMessage struct {
	sfpackage.Component
	problem string // empty: it was deployed
	created bool
}

// fileProperty describes a component for a listing or a retrieval.
type fileProperty struct {
	sfpackage.Component
	id string
}

// mayNotDeploy is the answer to a caller who may not use the Metadata API.
var mayNotDeploy = &apiError{Code: "INSUFFICIENT_ACCESS",
	Message: "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"}

// node is an element of an answer of the Metadata API: its value is a text, bool, int, nil, nodes, or a
// list of nodes, which XML repeats.
type node struct {
	name  string
	value any
}

// appendXML writes a node as SOAP does. A nil is left out.
func (n node) appendXML(out []byte) []byte {
	switch v := n.value.(type) {
	case nil:
		return out
	case [][]node:
		for _, item := range v {
			out = node{n.name, item}.appendXML(out)
		}
		return out
	case []string:
		for _, item := range v {
			out = node{n.name, item}.appendXML(out)
		}
		return out
	}
	out = fmt.Appendf(out, "<%s>", n.name)
	switch v := n.value.(type) {
	case []node:
		for _, child := range v {
			out = child.appendXML(out)
		}
	default:
		out = append(out, escapeXML(fmt.Sprint(v))...)
	}
	return fmt.Appendf(out, "</%s>", n.name)
}

// asJSON returns the value of nodes as JSON has it.
func asJSON(v any) any {
	switch v := v.(type) {
	case []node:
		out := map[string]any{}
		for _, child := range v {
			out[child.name] = asJSON(child.value)
		}
		return out
	case [][]node:
		out := []any{}
		for _, item := range v {
			out = append(out, asJSON(item))
		}
		return out
	}
	return v
}

// xmlNode is an element of a request.
type xmlNode struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []xmlNode `xml:",any"`
}

// child returns the first child of a name; one without text and children: there is none.
func (n xmlNode) child(name string) xmlNode {
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			return c
		}
	}
	return xmlNode{}
}

// all returns the texts of the children of a name.
func (n xmlNode) all(name string) (texts []string) {
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			texts = append(texts, strings.TrimSpace(c.Text))
		}
	}
	return texts
}

// metadataSOAP answers POST /services/Soap/m/{version}.
func (s *Sandbox) metadataSOAP(w http.ResponseWriter, r *http.Request, path []string) {
	if r.Method != http.MethodPost {
		s.write(w, r, methodNotAllowed(r.Method, "POST"))
		return
	}
	s.usage.count("metadata")
	version, refused := s.soapVersion(path[1])
	if refused != nil {
		s.fault(w, r, refused)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 2*maxDeployZip))
	var envelope xmlNode
	if err == nil {
		err = xml.Unmarshal(body, &envelope)
	}
	if err != nil || envelope.XMLName.Local != "Envelope" || len(envelope.child("Body").Children) != 1 {
		s.fault(w, r, &apiError{Code: "soapenv:Client", Message: "the envelope cannot be read"})
		return
	}
	token := strings.TrimSpace(envelope.child("Header").child("SessionHeader").child("sessionId").Text)
	found, ok := s.sessions.find(token, s.now(), s.options.SessionLife)
	if !ok || found.restricted {
		s.fault(w, r, &apiError{Code: "INVALID_SESSION_ID",
			Message: "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash"})
		return
	}
	now := s.now()
	done, refused := s.usage.admit(now)
	if refused != nil {
		s.fault(w, r, refused)
		return
	}
	defer done()
	hit := s.faults.pick("metadata")
	if !hit.before(s, w, r) {
		return
	}
	c := &call{sandbox: s, version: fmt.Sprintf("%d.0", version), who: s.callerOf(found.user), at: now}
	operation := envelope.child("Body").Children[0]
	result, refused := c.metadataOperation(operation)
	if refused != nil {
		s.finish(w, r, soapFault(refused), hit)
		return
	}
	name := operation.XMLName.Local
	out := fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="%s" `+
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><%sResponse>`, sfpackage.Namespace, name)
	out = append(out, result...)
	out = fmt.Appendf(out, `</%sResponse></soapenv:Body></soapenv:Envelope>`, name)
	s.finish(w, r, reply{status: http.StatusOK, mimeType: "text/xml", body: out}, hit)
}

// metadataOperation runs an operation of the SOAP interface.
func (c *call) metadataOperation(in xmlNode) ([]byte, *apiError) {
	if !c.who.viewAllData {
		return nil, mayNotDeploy
	}
	result := func(v any) []byte { return node{"result", v}.appendXML(nil) }
	switch in.XMLName.Local {
	case "describeMetadata":
		return result(describeMetadata()), nil
	case "listMetadata":
		list := [][]node{}
		for _, q := range in.Children {
			if q.XMLName.Local == "queries" || q.XMLName.Local == "listMetadataQuery" {
				found, refused := c.listMetadata(strings.TrimSpace(q.child("type").Text), strings.TrimSpace(q.child("folder").Text))
				if refused != nil {
					return nil, refused
				}
				list = append(list, found...)
			}
		}
		return result(list), nil
	case "readMetadata":
		return c.readMetadata(firstText(in, "type", "metadataType"), in.all("fullNames"))
	case "deploy":
		zipped, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(firstText(in, "ZipFile", "zipFile")), ""))
		if err != nil {
			return nil, &apiError{Code: "soapenv:Client", Message: "ZipFile is not base64"}
		}
		o := in.child("DeployOptions")
		if o.XMLName.Local == "" {
			o = in.child("deployOptions")
		}
		options, refused := readDeployOptions(o)
		if refused != nil {
			return nil, refused
		}
		request, refused := c.deploy(zipped, options)
		if refused != nil {
			return nil, refused
		}
		return result([]node{{"done", false}, {"id", request.id}, {"state", "Queued"}}), nil
	case "checkDeployStatus", "cancelDeploy":
		request := c.sandbox.metadata.find(firstText(in, "asyncProcessId", "String", "id"), false)
		if request == nil {
			return nil, noRequest
		}
		if in.XMLName.Local == "cancelDeploy" {
			return result([]node{{"done", c.sandbox.metadata.cancel(request)}, {"id", request.id}}), nil
		}
		return result(c.deployResult(request, firstText(in, "includeDetails") == "true")), nil
	case "retrieve":
		request, refused := c.retrieveMetadata(in)
		if refused != nil {
			return nil, refused
		}
		return result([]node{{"done", false}, {"id", request.id}, {"state", "Queued"}}), nil
	case "checkRetrieveStatus":
		request := c.sandbox.metadata.find(firstText(in, "asyncProcessId"), true)
		if request == nil {
			return nil, noRequest
		}
		return result(c.retrieveResult(request)), nil
	}
	return nil, &apiError{Code: "soapenv:Client",
		Message: fmt.Sprintf("operation %s of the Metadata API is not supported by this sandbox", in.XMLName.Local)}
}

var noRequest = &apiError{Code: "INVALID_ID_FIELD", Message: "there is no deployment or retrieval with this id"}

// firstText is the text of the first child that has one of the names.
func firstText(in xmlNode, names ...string) string {
	for _, name := range names {
		if text := strings.TrimSpace(in.child(name).Text); text != "" {
			return text
		}
	}
	return ""
}

func readDeployOptions(in xmlNode) (o deployOptions, refused *apiError) {
	for _, option := range in.Children {
		on := strings.TrimSpace(option.Text) == "true"
		switch option.XMLName.Local {
		case "checkOnly":
			o.CheckOnly = on
		case "rollbackOnError":
			o.RollbackOnError = on
		case "singlePackage":
			o.SinglePackage = on
		case "ignoreWarnings":
			o.IgnoreWarnings = on
		case "testLevel":
			o.TestLevel = strings.TrimSpace(option.Text)
		case "allowMissingFiles", "autoUpdatePackage", "performRetrieve", "purgeOnDelete", "runAllTests":
			if on {
				return o, &apiError{Code: "INVALID_OPERATION",
					Message: option.XMLName.Local + " is not supported by this sandbox"}
			}
		case "runTests":
			return o, &apiError{Code: "INVALID_OPERATION", Message: "this org has no Apex tests"}
		default:
			return o, &apiError{Code: "soapenv:Client", Message: "unknown deploy option " + option.XMLName.Local}
		}
	}
	return o, nil
}

// metadataREST answers /metadata/deployRequest….
func (c *call) metadataREST(path []string) reply {
	switch {
	case len(path) == 0 || path[0] != "deployRequest" || len(path) > 2:
		return notFound()
	case !c.who.viewAllData:
		return refuse(mayNotDeploy)
	case len(path) == 1 && c.method == http.MethodPost:
		return c.deployByREST()
	case len(path) == 1:
		return methodNotAllowed(c.method, "POST")
	}
	request := c.sandbox.metadata.find(path[1], false)
	if request == nil {
		return notFound()
	}
	switch c.method {
	case http.MethodPatch:
		c.sandbox.metadata.cancel(request)
		return c.deployReply(http.StatusAccepted, request, false)
	case http.MethodGet:
		return c.deployReply(http.StatusOK, request, c.query.Get("includeDetails") == "true")
	}
	return methodNotAllowed(c.method, "GET", "PATCH")
}

func (c *call) deployReply(status int, request *metadataRequest, details bool) reply {
	return jsonBody(status, map[string]any{"id": request.id, "deployOptions": request.options,
		"url":          "/services/data/v" + c.version + "/metadata/deployRequest/" + request.id,
		"deployResult": asJSON(c.deployResult(request, details))})
}

// deployByREST reads a multipart body: the options as JSON and the zip.
func (c *call) deployByREST() reply {
	_, params, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	malformed := func(text string) reply { return refuse(&apiError{Code: "INVALID_MULTIPART_REQUEST", Message: text}) }
	if err != nil || params["boundary"] == "" {
		return malformed("Content-Type must be multipart/form-data with a boundary")
	}
	var zipped []byte
	var in struct {
		DeployOptions deployOptions `json:"deployOptions"`
	}
	options := false
	for parts := multipart.NewReader(bytes.NewReader(c.body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		if err != nil {
			return malformed("the body cannot be read")
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "application/zip":
			zipped = body
		case "application/json":
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(&in); err != nil {
				return refuse(&apiError{Code: "JSON_PARSER_ERROR", Message: err.Error()})
			}
			options = true
		}
	}
	if zipped == nil || !options {
		return malformed("a part of application/json with deployOptions and one of application/zip are needed")
	}
	request, refused := c.deploy(zipped, in.DeployOptions)
	if refused != nil {
		return refuse(refused)
	}
	return c.deployReply(http.StatusCreated, request, false)
}

// add keeps a request and gives it its id.
func (m *metadata) add(r *metadataRequest, prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requests == nil {
		m.requests = map[string]*metadataRequest{}
	}
	m.next++
	r.id = newID(prefix, m.next)
	m.requests[r.id] = r
}

func (m *metadata) find(id string, retrieval bool) *metadataRequest {
	full, _ := canonicalID(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.requests[full]; r != nil && r.retrieve == retrieval {
		return r
	}
	return nil
}

// cancel reports whether a request is over. One whose work is done cannot be canceled.
func (m *metadata) cancel(r *metadataRequest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return r.asked > 1
}

// state moves a request on: Pending, InProgress, then its end.
func (m *metadata) state(r *metadataRequest) (status string, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.asked++
	switch {
	case r.asked == 1:
		return "Pending", false
	case r.asked <= 2+m.slow:
		return "InProgress", false
	case r.success:
		return "Succeeded", true
	case !r.retrieve && !r.options.RollbackOnError && slices.ContainsFunc(r.parts,
		func(p deployMessage) bool { return p.problem == "" }):
		return "SucceededPartial", true
	}
	return "Failed", true
}

// deploy checks the components of a zip and, unless it only checks, stores them. The work is done at once;
// its outcome is shown when the client has asked for it three times.
func (c *call) deploy(zipped []byte, o deployOptions) (*metadataRequest, *apiError) {
	if len(zipped) > maxDeployZip {
		return nil, &apiError{Code: "LIMIT_EXCEEDED", Message: fmt.Sprintf("Maximum size of request reached. "+
			"Maximum size of request is %d bytes", maxDeployZip)}
	}
	request := &metadataRequest{options: o, at: c.at, user: c.who}
	files, err := sfpackage.Unzip(zipped)
	if err != nil {
		request.parts = []deployMessage{{Component: sfpackage.Component{Name: "package.xml", File: "package.xml"},
			problem: "No package.xml found"}}
	} else {
		request.parts = c.sandbox.checkDeployment(files)
	}
	failed := func(p deployMessage) bool { return p.problem != "" }
	request.success = !slices.ContainsFunc(request.parts, failed)
	if !o.CheckOnly && (request.success || !o.RollbackOnError && err == nil) {
		if err := c.sandbox.storeDeployment(files, request.parts); err != nil {
			return nil, &apiError{Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."}
		}
	}
	c.sandbox.metadata.add(request, "0Af")
	return request, nil
}

// deployResult describes a deployment.
func (c *call) deployResult(r *metadataRequest, details bool) []node {
	status, done := c.sandbox.metadata.state(r)
	failures, deployed := 0, 0
	var lists [2][][]node
	at := r.at.UTC().Format("2006-01-02T15:04:05.000Z")
	for _, p := range r.parts {
		good := 0
		if p.problem == "" {
			good = 1
			deployed++
		} else {
			failures++
		}
		n := []node{{"changed", good == 1}, {"componentType", p.Type}, {"created", p.created && good == 1},
			{"createdDate", at}, {"deleted", false}, {"fileName", p.File}, {"fullName", p.Name}}
		if good == 0 {
			n = append(n, node{"problem", p.problem}, node{"problemType", "Error"})
		}
		n = append(n, node{"success", good == 1}, node{"warning", false})
		lists[good] = append(lists[good], n)
	}
	if !done {
		deployed, failures = 0, 0
	}
	result := []node{{"checkOnly", r.options.CheckOnly}}
	if done {
		result = append(result, node{"completedDate", at})
	}
	who := c.sandbox.users[r.user.user]
	result = append(result, node{"createdBy", r.user.user}, node{"createdByName", strings.TrimSpace(who.FirstName + " " + who.LastName)},
		node{"createdDate", at})
	if done && details {
		result = append(result, node{"details", []node{{"componentFailures", lists[0]}, {"componentSuccesses", lists[1]},
			{"runTestResult", []node{{"numFailures", 0}, {"numTestsRun", 0}, {"totalTime", "0.0"}}}}})
	}
	return append(result, node{"done", done}, node{"id", r.id}, node{"ignoreWarnings", r.options.IgnoreWarnings},
		node{"lastModifiedDate", at}, node{"numberComponentErrors", failures}, node{"numberComponentsDeployed", deployed},
		node{"numberComponentsTotal", len(r.parts)}, node{"numberTestErrors", 0}, node{"numberTestsCompleted", 0},
		node{"numberTestsTotal", 0}, node{"rollbackOnError", r.options.RollbackOnError}, node{"runTestsEnabled", false},
		node{"startDate", at}, node{"status", status}, node{"success", done && r.success})
}

// describeMetadata lists the types that the sandbox takes.
func describeMetadata() []node {
	var types [][]node
	for _, t := range sfpackage.MetadataTypes() {
		n := []node{{"directoryName", t.Folder}, {"inFolder", t.InFolder}, {"metaFile", false}, {"suffix", t.Suffix},
			{"xmlName", t.Name}}
		if t.Name == "CustomObject" {
			n = append([]node{{"childXmlNames", slices.Sorted(maps.Values(sfpackage.Parts()))}}, n...)
		}
		types = append(types, n)
	}
	return []node{{"metadataObjects", types}, {"organizationNamespace", ""}, {"partialSaveAllowed", true},
		{"testRequired", false}}
}

// components lists the components of a type that are in the org.
func (s *Sandbox) components(typeName string) (list []fileProperty) {
	if typeName == "Layout" {
		for _, name := range s.layouts.names() {
			list = append(list, fileProperty{sfpackage.Component{Type: "Layout", Name: name, File: layoutPath(name)}, s.layouts.get(name).id})
		}
		return list
	}
	found, err := sfpackage.Components(s.metadata.deployed())
	if err != nil {
		s.options.Log.Error("sandbox components not listed", "error", err)
	}
	for i, c := range found {
		if c.Type == typeName {
			list = append(list, fileProperty{c, newID("0zz", uint64(i)+1)})
		}
	}
	if typeName == "CustomObject" {
		for _, o := range s.schema.objects {
			if !o.custom() {
				list = append(list, fileProperty{sfpackage.Component{Type: typeName, Name: o.name,
					File: "objects/" + o.name + ".object"}, ""})
			}
		}
	}
	return list
}

// deployed returns the files of the package that are in the org.
func (m *metadata) deployed() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.files)
}

func (c *call) listMetadata(typeName, folder string) ([][]node, *apiError) {
	known := slices.Contains(slices.Collect(maps.Values(sfpackage.Parts())), typeName)
	for _, t := range sfpackage.MetadataTypes() {
		known = known || t.Name == typeName
	}
	inner := strings.TrimSuffix(typeName, "Folder")
	if !known && inner != "Report" && inner != "Dashboard" {
		return nil, &apiError{Code: "INVALID_TYPE", Message: fmt.Sprintf("INVALID_TYPE: Unknown type:%s", typeName)}
	}
	var list [][]node
	for _, p := range c.sandbox.components(inner) {
		before, _, within := strings.Cut(p.Name, "/")
		if (inner == "Report" || inner == "Dashboard") && (within == (inner != typeName) || within && before != folder) {
			continue
		}
		list = append(list, p.nodes(c))
	}
	return list, nil
}

func (p fileProperty) nodes(c *call) []node {
	who, at := newID("005", operatorNumber), c.at.UTC().Format("2006-01-02T15:04:05.000Z")
	return []node{{"createdById", who}, {"createdByName", "Sandbox Operator"}, {"createdDate", at}, {"fileName", p.File},
		{"fullName", p.Name}, {"id", p.id}, {"lastModifiedById", who}, {"lastModifiedByName", "Sandbox Operator"},
		{"lastModifiedDate", at}, {"manageableState", "unmanaged"}, {"type", p.Type}}
}

// maxRead is how many components one readMetadata may name.
const maxRead = 10

// readMetadata answers the content of components, in the order of their names. One that is not there is null.
func (c *call) readMetadata(typeName string, names []string) ([]byte, *apiError) {
	if len(names) > maxRead {
		return nil, &apiError{Code: "LIMIT_EXCEEDED", Message: fmt.Sprintf("at most %d components can be read", maxRead)}
	}
	out := []byte("<result>")
	for _, name := range names {
		elements, found := c.sandbox.contentOf(typeName, name)
		if !found {
			out = append(out, `<records xsi:nil="true"/>`...)
			continue
		}
		out = fmt.Appendf(out, `<records xsi:type="%s"><fullName>%s</fullName>`, escapeXML(typeName), escapeXML(name))
		for _, e := range elements {
			if e.Name != "fullName" {
				out = append(out, e.XML...)
			}
		}
		out = append(out, `</records>`...)
	}
	return append(out, `</result>`...), nil
}

// contentOf returns the elements of a component that has a file of its own.
func (s *Sandbox) contentOf(typeName, name string) ([]sfpackage.Element, bool) {
	if l := s.layouts.get(name); typeName == "Layout" && l != nil {
		return l.elements, true
	}
	for _, p := range s.components(typeName) {
		if body, ok := s.metadata.deployed()[p.File]; ok && p.Name == name {
			_, elements, err := sfpackage.Elements(body)
			return elements, err == nil
		}
	}
	return nil, false
}

// retrieveMetadata answers retrieve: the components that a package.xml names.
func (c *call) retrieveMetadata(in xmlNode) (*metadataRequest, *apiError) {
	request := &metadataRequest{retrieve: true, success: true, at: c.at, user: c.who}
	q := in.child("retrieveRequest")
	if q.XMLName.Local == "" {
		q = in.child("request")
	}
	files, version := map[string][]byte{}, firstText(q, "apiVersion")
	for _, t := range q.child("unpackaged").Children {
		if t.XMLName.Local != "types" {
			continue
		}
		typeName, members := firstText(t, "name"), t.all("members")
		there := c.sandbox.components(typeName)
		if slices.Contains(members, "*") {
			for _, p := range there {
				members = append(members, p.Name)
			}
		}
		for _, name := range members {
			at := slices.IndexFunc(there, func(p fileProperty) bool { return p.Name == name })
			switch {
			case name == "*":
			case at < 0:
				request.missing = append(request.missing,
					fmt.Sprintf("Entity of type '%s' named '%s' cannot be found", typeName, name))
			default:
				body := c.sandbox.metadata.deployed()[there[at].File]
				if l := c.sandbox.layouts.get(name); typeName == "Layout" && l != nil {
					body = sfpackage.Document("Layout", l.elements)
				}
				if body != nil {
					files[there[at].File] = body
					request.found = append(request.found, there[at])
				}
			}
		}
	}
	manifest, err := sfpackage.Manifest(files, cmp.Or(version, c.version))
	if err == nil {
		files["package.xml"] = manifest
		if firstText(q, "singlePackage") != "true" {
			inside := map[string][]byte{}
			for name, body := range files {
				inside["unpackaged/"+name] = body
			}
			files = inside
		}
		request.zip, err = sfpackage.Zip(files)
	}
	if err != nil {
		return nil, &apiError{Code: "UNKNOWN_EXCEPTION", Message: "An unexpected error occurred."}
	}
	c.sandbox.metadata.add(request, "09S")
	return request, nil
}

func (c *call) retrieveResult(r *metadataRequest) []node {
	status, done := c.sandbox.metadata.state(r)
	out := []node{{"done", done}}
	if done {
		var files, messages [][]node
		for _, p := range r.found {
			files = append(files, p.nodes(c))
		}
		for _, text := range r.missing {
			messages = append(messages, []node{{"fileName", "unpackaged/package.xml"}, {"problem", text}})
		}
		out = append(out, node{"fileProperties", files})
		out = append(out, node{"id", r.id}, node{"messages", messages}, node{"status", status}, node{"success", r.success},
			node{"zipFile", base64.StdEncoding.EncodeToString(r.zip)})
		return out
	}
	return append(out, node{"id", r.id}, node{"status", status}, node{"success", false})
}

// metadataVersion reads the version of a package.xml.
func metadataVersion(text string) bool {
	digits, ok := strings.CutSuffix(strings.TrimSpace(text), ".0")
	n, err := strconv.Atoi(digits)
	return ok && err == nil && n >= oldestVersion && n <= newestVersion
}
