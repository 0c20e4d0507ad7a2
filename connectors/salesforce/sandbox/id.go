package sandbox

import "strings"

// base62 lists the digits of a record id in ascending order.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// checksumAlphabet lists the 32 characters of an id's suffix (SALESFORCE.md 2.7).
const checksumAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// instance is the part of an id between prefix and number. It names the org's instance.
const instance = "SB0"

// checksum returns the three characters that extend a 15-character id to 18: for each five characters of
// the id, bit i is set when character i is an upper-case letter.
func checksum(id15 string) string {
	var suffix [3]byte
	for part := range suffix {
		bits := 0
		for i := range 5 {
			if c := id15[part*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		suffix[part] = checksumAlphabet[bits]
	}
	return string(suffix[:])
}

// newID returns the n-th 18-character id of a prefix, n from 1 on.
func newID(prefix string, n uint64) string {
	var digits [9]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[n%62]
		n /= 62
	}
	id := prefix + instance + string(digits[:])
	return id + checksum(id)
}

// idNumber returns the number that newID was given, and false for an id of another org.
func idNumber(id string) (uint64, bool) {
	if len(id) != 18 || id[3:6] != instance {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(id[6:15]) {
		digit := strings.IndexByte(base62, c)
		if digit < 0 {
			return 0, false
		}
		n = n*62 + uint64(digit)
	}
	return n, true
}

// canonicalID returns the 18-character form of an id and whether it is well formed: 15 characters, which
// are case sensitive, or 18 whose last three are their checksum. 18 characters with another checksum are
// refused: the org would correct the case of such an id, but it is not known which ids it corrects.
func canonicalID(id string) (string, bool) {
	if len(id) != 15 && len(id) != 18 {
		return "", false
	}
	for _, c := range []byte(id) {
		if strings.IndexByte(base62, c) < 0 {
			return "", false
		}
	}
	sum := checksum(id[:15])
	if len(id) == 18 && id[15:] != sum {
		return "", false
	}
	return id[:15] + sum, true
}
