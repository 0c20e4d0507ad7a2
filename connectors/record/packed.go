package record

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// packedKinds are the kinds of event by the number that stands for each in a packed row. A new kind goes to
// the end: what is stored keeps its number.
var packedKinds = []mailroom.EventKind{
	mailroom.InMailSent, mailroom.InMailRefused, mailroom.InMailFailed, mailroom.InMailOpened, mailroom.InMailReplied,
	mailroom.InMailReply, mailroom.InMailDeclined, mailroom.InMailExpiring, mailroom.InMailExpired,
	mailroom.InMailRetracted, mailroom.InMailTagged, mailroom.MemberRestricted, mailroom.CRMDeadLetter,
	mailroom.WebhookTest,
}

// packEvents returns the events of one transaction as they are stored in one row, one behind the other: the
// number of the kind, the sequence number, the length of About with About, and 1 with the 16 bytes of the id
// of its InMail, or 0. Numbers are uvarints. Position and time are the row's.
func packEvents(events []mailroom.Event) ([]byte, error) {
	packed := make([]byte, 0, 20*len(events))
	for _, e := range events {
		kind := slices.Index(packedKinds, e.Kind)
		if kind < 0 || e.Seq < 0 {
			return nil, ownf("an event of the kind %q with number %d cannot be stored", e.Kind, e.Seq)
		}
		packed = binary.AppendUvarint(packed, uint64(kind))
		packed = binary.AppendUvarint(packed, uint64(e.Seq))
		packed = binary.AppendUvarint(packed, uint64(len(e.About)))
		packed = append(packed, e.About...)
		id := uuidOf(e.InMail)
		if !id.Valid {
			packed = append(packed, 0)
			continue
		}
		packed = append(append(packed, 1), id.Bytes[:]...)
	}
	return packed, nil
}

var errPacked = own("a row of events cannot be read: a newer program wrote it, or it is damaged")

// unpackEvents returns the events of a row by their positions, of which the last is last.
func unpackEvents(packed []byte, last int64, at time.Time) (events []mailroom.Event, err error) {
	short := false
	number := func() int {
		v, n := binary.Uvarint(packed)
		if n <= 0 || v > 1<<31 {
			short, packed = true, nil
			return 0
		}
		packed = packed[n:]
		return int(v)
	}
	take := func(n int) []byte {
		if n > len(packed) {
			short, packed = true, nil
			return nil
		}
		b := packed[:n]
		packed = packed[n:]
		return b
	}
	for len(packed) > 0 {
		kind := number()
		e := mailroom.Event{Seq: number(), At: at}
		e.About = string(take(number()))
		if number() == 1 {
			if id := take(16); id != nil {
				e.InMail = domain.ID(pgtype.UUID{Bytes: [16]byte(id), Valid: true}.String())
			}
		}
		if short || kind >= len(packedKinds) {
			return nil, errPacked
		}
		e.Kind = packedKinds[kind]
		events = append(events, e)
	}
	for i := range events {
		events[i].Position = last - int64(len(events)-1-i)
	}
	return events, nil
}
