package salesforce

import (
	"maps"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// These are the names, in the words of API.md, of the ids that a sender may give and that an InMail's record
// refers to.
const (
	leadID    = "lead_id"
	contactID = "contact_id"
	accountID = "account_id"
)

// IDs describes the ids that a sender may give.
func (c *Connector) IDs() []mailroom.ForeignID {
	const form = "^([A-Za-z0-9]{15}([A-Za-z0-9]{3})?)?$"
	return []mailroom.ForeignID{{Name: leadID, Pattern: form, Example: "00Q5g00000AbCdEEAV"},
		{Name: contactID, Pattern: form, Example: "0035g00000AbCdEAAV"},
		{Name: accountID, Pattern: form, Example: "0015g00000AbCdEAAV"}}
}

// Judge refuses a text that Salesforce never gives as an id. It does not look at the object of an id:
// matching does, and it ignores the id of a wrong object (R55).
func (c *Connector) Judge(ids domain.ForeignIDs) error {
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		other := strings.IndexFunc(ids[name], func(r rune) bool {
			return r > 'z' || !letter(byte(r)) && (r < '0' || r > '9')
		})
		if n := len(ids[name]); other >= 0 || n != 15 && n != 18 {
			return domain.Refuse(domain.BadRequest, "%s: a Salesforce id has 15 or 18 letters and digits", name)
		}
	}
	return nil
}

// These are the first three characters of an id, by object.
const (
	accountPrefix = "001"
	contactPrefix = "003"
	userPrefix    = "005"
	leadPrefix    = "00Q"
)

// canonicalID returns an id of an object with its 18 characters. It adds the checksum to an id of 15, and
// restores the case of an id of 18 from its checksum. ok is false for a text that is no id of that object.
// Ids of 15 characters differ by case, and only ids of 18 may be compared without regard to it (SALESFORCE.md
// 2.7).
func canonicalID(id, prefix string) (full string, ok bool) {
	if len(id) != 15 && len(id) != 18 {
		return "", false
	}
	for i := range len(id) {
		if !letter(id[i]) && (id[i] < '0' || id[i] > '9') {
			return "", false
		}
	}
	body := []byte(id[:15])
	if len(id) == 18 && !restoreCase(body, id[15:]) {
		return "", false
	}
	if string(body[:3]) != prefix {
		return "", false
	}
	return string(body) + checksum(body), true
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

const checkDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// checksum returns three characters, one for each five of body, which say which of them are capitals.
func checksum(body []byte) string {
	var sum [3]byte
	for chunk := range sum {
		bits := 0
		for i, c := range body[chunk*5 : chunk*5+5] {
			if 'A' <= c && c <= 'Z' {
				bits |= 1 << i
			}
		}
		sum[chunk] = checkDigits[bits]
	}
	return string(sum[:])
}

// restoreCase sets the case of 15 characters according to a checksum. It returns false when the checksum is
// invalid or calls a digit a capital.
func restoreCase(body []byte, sum string) bool {
	for chunk := range 3 {
		c := sum[chunk]
		if letter(c) {
			c &^= 0x20
		}
		bits := -1
		for i := range len(checkDigits) {
			if checkDigits[i] == c {
				bits = i
			}
		}
		if bits < 0 {
			return false
		}
		for i := range 5 {
			at := &body[chunk*5+i]
			capital := bits&(1<<i) != 0
			switch {
			case letter(*at) && capital:
				*at &^= 0x20
			case letter(*at):
				*at |= 0x20
			case capital:
				return false
			}
		}
	}
	return true
}
