package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/url"
	"reflect"
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

// A list names the list that a cursor belongs to, so that a cursor of the inbox is refused by the sent list.
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
	memberList
	deliveryList
)

// maxCursor is the longest cursor in bytes, as base64url; the longest id in one is a company's name.
const maxCursor = 4096

// encode makes the cursor that stands behind an item. It is opaque to clients: list, time in milliseconds, id
// and check sum, as base64url without padding.
func (l list) encode(c mailroom.Cursor) string {
	b := append(make([]byte, 0, 13+len(c.ID)), byte(l))
	b = binary.BigEndian.AppendUint64(b, uint64(c.At.UnixMilli()))
	b = append(b, c.ID...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// decode reads a cursor; a cursor that this list has not made is refused with bad_request. The
// check sum finds accidental changes. A forged cursor gives no access: it only chooses the place in
// a list that is open anyway.
func (l list) decode(s string) (mailroom.Cursor, error) {
	foreign := domain.Refuse(domain.BadRequest, "cursor: not one of this list; use the next_cursor of its last answer")
	if len(s) > maxCursor || strings.ContainsAny(s, "\r\n") { // encoding/base64 skips line breaks
		return mailroom.Cursor{}, foreign
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 14 || list(b[0]) != l {
		return mailroom.Cursor{}, foreign
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return mailroom.Cursor{}, foreign
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(body[1:9]))).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return mailroom.Cursor{}, foreign
	}
	return mailroom.Cursor{At: at, ID: string(body[9:])}, nil
}

// page reads limit and cursor of a request for this list.
func (l list) page(q url.Values) (mailroom.Page, error) {
	limit, err := limitIn(q)
	p := mailroom.Page{Limit: limit}
	if err != nil {
		return p, err
	}
	if q.Has("cursor") {
		if p.After, err = l.decode(q.Get("cursor")); err != nil {
			return p, err
		}
	}
	return p, nil
}

// limitIn reads limit of a request for a page.
func limitIn(q url.Values) (int, error) {
	if !q.Has("limit") {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n < 1 || n > maxLimit {
		return 0, &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: maxLimit,
			Detail: fmt.Sprintf("limit: a number of 1 to %d", maxLimit)}
	}
	return n, nil
}

// oneMore asks for one item more than the page has: if it comes, there is a next
// page, and nothing is counted.
func oneMore(p mailroom.Page) mailroom.Page {
	p.Limit++
	return p
}

// items is a page of a list as it is answered; next_cursor is null on the last page.
type items[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

func (items[T]) itemType() reflect.Type { return reflect.TypeFor[T]() }

// listOf makes the answer from what was asked with oneMore(p): it leaves out the item that is one too many
// and sets the cursor behind the last item that is shown.
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
