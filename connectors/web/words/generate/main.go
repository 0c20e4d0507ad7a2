// Generate writes the catalogue of the sentences of the pages.
package main

import (
	"fmt"
	"os"

	"inmail/connectors/web/words"
)

func main() {
	sentences, err := words.Extract(os.DirFS(".."))
	if err == nil {
		err = os.WriteFile("english.pot", []byte(words.Template(sentences)), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
