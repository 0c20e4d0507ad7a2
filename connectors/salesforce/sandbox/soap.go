package sandbox

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// newestSOAPLogin is the last version whose SOAP API has a login (SALESFORCE.md 2.1).
const newestSOAPLogin = 64

// envelope is what is read of a SOAP request.
type envelope struct {
	XMLName xml.Name `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Body    struct {
		Login *struct {
			Username string `xml:"urn:partner.soap.sforce.com username"`
			Password string `xml:"urn:partner.soap.sforce.com password"`
		} `xml:"urn:partner.soap.sforce.com login"`
		Logout *struct{} `xml:"urn:partner.soap.sforce.com logout"`
		Empty  *struct {
			IDs []string `xml:"urn:partner.soap.sforce.com ids"`
		} `xml:"urn:partner.soap.sforce.com emptyRecycleBin"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Body"`
	Header struct {
		Session struct {
			ID string `xml:"urn:partner.soap.sforce.com sessionId"`
		} `xml:"urn:partner.soap.sforce.com SessionHeader"`
	} `xml:"http://schemas.xmlsoap.org/soap/envelope/ Header"`
}

// soap answers POST /services/Soap/u/{version}[/org]: login and logout, nothing else. That of the Metadata
// API, under /services/Soap/m/, is another.
func (s *Sandbox) soap(w http.ResponseWriter, r *http.Request, path []string) {
	if path[0] == "m" && len(path) >= 2 && len(path) <= 3 {
		s.metadataSOAP(w, r, path)
		return
	}
	s.usage.count("soap")
	if path[0] != "u" || len(path) > 3 {
		s.write(w, r, notFound())
		return
	}
	if r.Method != http.MethodPost {
		s.write(w, r, methodNotAllowed(r.Method, "POST"))
		return
	}
	hit := s.faults.pick("soap")
	if !hit.before(s, w, r) {
		return
	}
	version, refused := s.soapVersion(path[1])
	if refused != nil {
		s.fault(w, r, refused)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") || r.Header["Soapaction"] == nil {
		s.fault(w, r, &apiError{Code: "UNSUPPORTED_CLIENT",
			Message: "Content-Type must be text/xml, and SOAPAction is required"})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxFormBody))
	var in envelope
	if err == nil {
		err = xml.Unmarshal(body, &in)
	}
	switch {
	case err != nil:
		s.fault(w, r, &apiError{Code: "soapenv:Client", Message: "the envelope cannot be read"})
	case in.Body.Login != nil:
		s.soapLogin(w, r, version, in.Body.Login.Username, in.Body.Login.Password, hit)
	case in.Body.Logout != nil:
		s.soapLogout(w, r, in.Header.Session.ID, hit)
	case in.Body.Empty != nil:
		s.emptyRecycleBin(w, r, in.Header.Session.ID, in.Body.Empty.IDs, hit)
	default:
		s.fault(w, r, &apiError{Code: "soapenv:Client", Message: "this sandbox knows login, logout and emptyRecycleBin only"})
	}
}

// soapVersion reads 64.0. A retired version is refused with a SOAP fault.
func (s *Sandbox) soapVersion(text string) (int, *apiError) {
	digits, ok := strings.CutSuffix(text, ".0")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < int(s.oldest.Load()) || n > newestVersion {
		return 0, &apiError{Code: "UNSUPPORTED_API_VERSION", Message: "Invalid Api version specified on URL"}
	}
	return n, nil
}

func (s *Sandbox) soapLogin(w http.ResponseWriter, r *http.Request, version int, username, password string, hit hit) {
	if !s.soapAllowed.Load() {
		s.fault(w, r, &apiError{Code: "INVALID_OPERATION",
			Message: "SOAP API login() is disabled by default in this org."})
		return
	}
	if version > newestSOAPLogin {
		s.fault(w, r, &apiError{Code: "INVALID_OPERATION",
			Message: fmt.Sprintf("SOAP API login() is not available in API version %d.0", version)})
		return
	}
	id := s.checkPassword(username, password)
	if id == "" {
		s.fault(w, r, invalidLogin)
		return
	}
	u := s.users[id]
	token, ok := s.sessions.open(id, s.now(), u.PasswordExpired)
	if !ok {
		s.fault(w, r, &apiError{Code: "INVALID_LOGIN", Message: "login rate exceeded"})
		return
	}
	server := fmt.Sprintf("%s/services/Soap/u/%d.0/%s", s.origin(r), version, orgID[:15])
	body := fmt.Sprintf(`<loginResponse><result><metadataServerUrl>%s</metadataServerUrl>`+
		`<passwordExpired>%t</passwordExpired><sandbox>true</sandbox>`+
		`<serverUrl>%s</serverUrl><sessionId>%s</sessionId><userId>%s</userId>`+
		`<userInfo><organizationId>%s</organizationId><organizationName>InMail Salesforce sandbox</organizationName>`+
		`<sessionSecondsValid>%.0f</sessionSecondsValid><userEmail>%s</userEmail><userFullName>%s</userFullName>`+
		`<userId>%s</userId><userName>%s</userName></userInfo></result></loginResponse>`,
		escapeXML(strings.Replace(server, "/u/", "/m/", 1)), u.PasswordExpired, escapeXML(server), escapeXML(token),
		id, orgID,
		s.options.SessionLife.Seconds(), escapeXML(u.Email), escapeXML(strings.TrimSpace(u.FirstName+" "+u.LastName)),
		id, escapeXML(u.Username))
	s.finish(w, r, soapReply(http.StatusOK, body), hit)
}

func (s *Sandbox) soapLogout(w http.ResponseWriter, r *http.Request, token string, hit hit) {
	if _, ok := s.sessions.find(token, s.now(), s.options.SessionLife); !ok {
		s.fault(w, r, &apiError{Code: "INVALID_SESSION_ID",
			Message: "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader"})
		return
	}
	s.sessions.end(token)
	s.finish(w, r, soapReply(http.StatusOK, "<logoutResponse/>"), hit)
}

// maxEmptied is how many records one call may remove from the recycle bin.
const maxEmptied = 200

// emptyRecycleBin purges records that the user deleted, or whoever deleted them when the user is an
// administrator.
func (s *Sandbox) emptyRecycleBin(w http.ResponseWriter, r *http.Request, token string, ids []string, hit hit) {
	found, ok := s.sessions.find(token, s.now(), s.options.SessionLife)
	if !ok || found.restricted {
		s.fault(w, r, &apiError{Code: "INVALID_SESSION_ID",
			Message: "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader"})
		return
	}
	done, refused := s.usage.admit(s.now())
	if refused != nil {
		s.fault(w, r, refused)
		return
	}
	defer done()
	if len(ids) > maxEmptied {
		s.fault(w, r, &apiError{Code: "EXCEEDED_ID_LIMIT", Message: "record limit reached: cannot submit more than 200 records"})
		return
	}
	who := s.callerOf(found.user)
	tx := s.store.begin(s.now, who)
	defer tx.rollback()
	var out strings.Builder
	for _, id := range ids {
		e := &apiError{Code: "INVALID_ID_FIELD", Message: "the user did not delete it"}
		if r := tx.find(id); r != nil && r.deleted() && (who.access.all || r.gone != nil && r.gone.By == who.user) {
			e = tx.purge(id)
		}
		out.WriteString("<result>")
		if e != nil {
			fmt.Fprintf(&out, "<errors><message>%s</message><statusCode>%s</statusCode></errors>", escapeXML(e.Message), e.Code)
		}
		fmt.Fprintf(&out, "<id>%s</id><success>%t</success></result>", escapeXML(id), e == nil)
	}
	if err := tx.commit(); err != nil {
		s.fault(w, r, &apiError{Code: "UNKNOWN_EXCEPTION", Message: "the change could not be stored"})
		return
	}
	s.finish(w, r, soapReply(http.StatusOK, "<emptyRecycleBinResponse>"+out.String()+"</emptyRecycleBinResponse>"), hit)
}

var invalidLogin = &apiError{Code: "INVALID_LOGIN",
	Message: "Invalid username, password, security token; or user locked out."}

func (s *Sandbox) fault(w http.ResponseWriter, r *http.Request, e *apiError) {
	s.write(w, r, soapFault(e))
}

// soapFault is an error in SOAP: status 500, and the code with the prefix sf.
func soapFault(e *apiError) reply {
	code := e.Code
	if !strings.Contains(code, ":") {
		code = "sf:" + code
	}
	return soapReply(http.StatusInternalServerError, fmt.Sprintf(
		`<soapenv:Fault><faultcode>%s</faultcode><faultstring>%s: %s</faultstring></soapenv:Fault>`, code, e.Code,
		escapeXML(e.Message)))
}

func soapReply(status int, body string) reply {
	return reply{status: status, mimeType: "text/xml", body: []byte(`<?xml version="1.0" encoding="UTF-8"?>` +
		`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
		`xmlns="urn:partner.soap.sforce.com" xmlns:sf="urn:fault.partner.soap.sforce.com">` +
		`<soapenv:Body>` + body + `</soapenv:Body></soapenv:Envelope>`)}
}

func escapeXML(text string) string {
	var out strings.Builder
	// A strings.Builder does not fail.
	_ = xml.EscapeText(&out, []byte(text))
	return out.String()
}
