package sandbox

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzJSON compares the reader of bodies with encoding/json: what it accepts is JSON with the same meaning.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9\ud83d\ude00",null,true,{"b":{}}]}`, `"\\ud800"`, `[]`, `1 2`, `{"a":1,"A":2}`, `"\ud800"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, refused := parseJSON(body)
		if refused != nil {
			return
		}
		decode := func(data []byte) (out any) {
			d := json.NewDecoder(bytes.NewReader(data))
			d.UseNumber()
			if err := d.Decode(&out); err != nil {
				t.Fatalf("%q was taken: %v", data, err)
			}
			return out
		}
		if diff := cmp.Diff(decode(body), decode(appendValue(nil, v))); diff != "" {
			t.Errorf("%q (-in +out):\n%s", body, diff)
		}
	})
}
