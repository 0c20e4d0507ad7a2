package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"inmail/domain"
)

// etagOf returns the version of a member for ETag and If-Match. It follows from all of the member, so it is
// given to operators alone.
func (c *call) etagOf(m domain.Member) string {
	b, _ := json.Marshal(c.memberView(m)) // a view can always be marshalled
	sum := sha256.Sum256(b)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// showVersion sets the ETag of an answer about a member.
func (c *call) showVersion(m domain.Member) {
	if c.viewer.Operator {
		c.Header().Set("ETag", c.etagOf(m))
	}
}

// ifMatch returns the versions that the header If-Match names; none when there is no such header.
func (c *call) ifMatch() (versions []string) {
	for _, line := range c.r.Header.Values("If-Match") {
		for v := range strings.SplitSeq(line, ",") {
			versions = append(versions, strings.TrimSpace(v))
		}
	}
	return versions
}

// unchanged refuses a change of a member that has another version than If-Match names. Without the header it
// refuses nothing.
func (c *call) unchanged(m domain.Member) error {
	versions := c.ifMatch()
	if len(versions) == 0 || slices.Contains(versions, "*") || c.viewer.Operator && slices.Contains(versions, c.etagOf(m)) {
		return nil
	}
	return domain.Refuse(preconditionFailed, "the member is another than If-Match names; read it again and change that")
}

// ifMatchParameter documents the header If-Match.
func ifMatchParameter() parameter {
	return parameter{name: "If-Match", doc: "the ETag of the member as it was read; the change is refused where it is another by now",
		schema: schema{"type": "string", "examples": []any{`"5f0c7a31d0c94b77a2a1b0b6e1e5b9d2"`}}}
}
