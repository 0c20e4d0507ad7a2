package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/url"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The bounds of a page (API.md).
const (
	defaultLimit = 50
	maxLimit     = mailroom.MaxPage
)

// A list names the order that a cursor belongs to: one of the inbox is none of the sent list.
type list byte

// The lists that are paged.
const (
	sentList list = iota + 1
	inboxList
	replyList
	banList
	keyList
	auditList
	failureList
	restrictionList
)

// maxCursor is the longest cursor in bytes, as base64url; the longest id in one is a company's name.
const maxCursor = 4096

// encode makes the cursor that stands behind an item: opaque to clients, the list, the time in
// milliseconds, the id and a check sum, as base64url without padding.
func (l list) encode(c mailroom.Cursor) string {
	b := append(make([]byte, 0, 13+len(c.ID)), byte(l))
	b = binary.BigEndian.AppendUint64(b, uint64(c.At.UnixMilli()))
	b = append(b, c.ID...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode reads a cursor; one that this list has not made is refused with bad_request. The sum keeps
// accidents out; who forges one sees no more than without it.
func (l list) decode(s string) (mailroom.Cursor, error) {
	bad := domain.Refuse(domain.BadRequest, "cursor: not one of this list; use the next_cursor of its last answer")
	if len(s) > maxCursor || strings.ContainsAny(s, "\r\n") { // encoding/base64 skips line breaks
		return mailroom.Cursor{}, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 14 || list(b[0]) != l {
		return mailroom.Cursor{}, bad
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return mailroom.Cursor{}, bad
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(body[1:9]))).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return mailroom.Cursor{}, bad
	}
	return mailroom.Cursor{At: at, ID: string(body[9:])}, nil
}

// page reads limit and cursor of a request for this list.
func (l list) page(q url.Values) (mailroom.Page, error) {
	p := mailroom.Page{Limit: defaultLimit}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > maxLimit {
			return p, &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: maxLimit, Detail: fmt.Sprintf("limit: a number of 1 to %d", maxLimit)}
		}
		p.Limit = n
	}
	if q.Has("cursor") {
		var err error
		if p.After, err = l.decode(q.Get("cursor")); err != nil {
			return p, err
		}
	}
	return p, nil
}

// beyond asks for one item more than the page holds: whether there is a next page shows without counting.
func beyond(p mailroom.Page) mailroom.Page {
	p.Limit++
	return p
}

// items is a list as it is answered: next_cursor is null at the end.
type items[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// listOf makes the answer of what was asked with beyond(p): it cuts the item too many and puts the cursor
// behind the last that is shown.
func listOf[S, T any](l list, p mailroom.Page, found []S, show func(S) T, place func(S) mailroom.Cursor) items[T] {
	answer := items[T]{Items: make([]T, 0, min(len(found), p.Limit))}
	for i, s := range found {
		if i == p.Limit {
			next := l.encode(place(found[i-1]))
			answer.NextCursor = &next
			break
		}
		answer.Items = append(answer.Items, show(s))
	}
	return answer
}
