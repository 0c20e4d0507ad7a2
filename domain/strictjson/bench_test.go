package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// benchSend has the fields of a send.
type benchSend struct {
	To      string   `json:"to"`
	Subject string   `json:"subject"`
	Body    string   `json:"body"`
	Tags    []string `json:"tags,omitempty"`
}

type benchLine struct {
	InMail *benchSend `json:"inmail,omitempty"`
}

// theirs reads as a careful user of encoding/json does.
func theirs(in []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(in))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// BenchmarkRead compares this reader with encoding/json over a send of 1 KB, plain and with escapes, and over
// an import of 10,000 lines.
func BenchmarkRead(b *testing.B) {
	send, line := ShapeOf(reflect.TypeFor[benchSend]()), ShapeOf(reflect.TypeFor[benchLine]())
	text := func(sentence string, n int) string {
		return `{"to":"maria-lopez","subject":"Our talk at the fair in Hamburg","body":"` + strings.Repeat(sentence, n) + `","tags":["hamburg fair"]}`
	}
	for name, body := range map[string][]byte{"send": []byte(text("Hello Maria, thank you for your time. ", 24)), "escapes": []byte(text(`Hello \"Maria\",\nthank you – for your time. `, 20))} {
		b.Run(name+"/strict", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := send.Read("body", body, new(benchSend)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding", func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := theirs(body, new(benchSend)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var lines [][]byte
	for range 10_000 {
		lines = append(lines, fmt.Appendf(nil, `{"inmail":%s}`, text("Hello Maria, thank you for your time. ", 8)))
	}
	b.Run("import/strict", func(b *testing.B) {
		for b.Loop() {
			for _, l := range lines {
				if err := line.Read("line", l, new(benchLine)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("import/encoding", func(b *testing.B) {
		for b.Loop() {
			for _, l := range lines {
				if err := theirs(l, new(benchLine)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
