package salesforce

// The prefixes of ids by object.
const (
	accountPrefix = "001"
	contactPrefix = "003"
	userPrefix    = "005"
	leadPrefix    = "00Q"
)

// canonicalID returns an id of an object with its 18 characters: of 15 the checksum is added, of 18 the case is
// restored from it. ok is false for what is no id of that object. Ids of 15 differ by case, so only those of 18
// may be compared without regard to it (SALESFORCE.md 2.7).
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

// checksum says for each five characters which of them are capitals.
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

// restoreCase sets the case of 15 characters as a checksum says; false when it says a digit is a capital.
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
