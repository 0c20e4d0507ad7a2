package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Proof is a leaf test whose name cites a rule: TestRules/R38_two_opens/postgres.
type Proof struct {
	Package string
	Case    string // two_opens
	Engine  string // postgres; "" where the case needs none
	Outcome Outcome
}

// engines are the last parts of a case's name that say on which engine it ran.
var engines = []string{"sqlite", "postgres", "redis", "cluster", "embedded"}

var ruleCase = regexp.MustCompile(`^TestRules/((?:R\d\d_)*R\d\d)(?:[_/](.*))?$`)

// Proofs returns the leaves by the number of the rule that their names cite. A case may cite several rules:
// R36_R38_retract_wins.
func Proofs(leaves []Leaf) map[int][]Proof {
	proofs := map[int][]Proof{}
	for _, leaf := range leaves {
		match := ruleCase.FindStringSubmatch(leaf.Test)
		if match == nil {
			continue
		}
		proof := Proof{Package: leaf.Package, Case: match[2], Outcome: leaf.Outcome}
		rest, last, found := cutLast(proof.Case, "/")
		if !found {
			rest, last = "", proof.Case
		}
		if slices.Contains(engines, last) {
			proof.Case, proof.Engine = rest, last
		}
		for _, cited := range strings.Split(match[1], "_") {
			number, _ := strconv.Atoi(cited[1:])
			proofs[number] = append(proofs[number], proof)
		}
	}
	return proofs
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
