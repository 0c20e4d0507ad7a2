// The Go vulnerability database that make check-vulnerabilities asks, pinned here with its checksum. It is a module of
// its own so that what the database is built with stays out of the program's requirements. Nothing imports it, so go mod
// tidy would drop it: make vulndb brings it forward.
module inmail/vulndb

go 1.26.7

require golang.org/x/vulndb v0.0.0-20261105234957-e22db6528018
