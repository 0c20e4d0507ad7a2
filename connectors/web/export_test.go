package web

// RouteForTest is one row of the list of pages, as tests outside of the package see it.
type RouteForTest struct {
	Pattern string
	Who     string
}

// RoutesForTest returns the list of pages.
func RoutesForTest() []RouteForTest {
	var all []RouteForTest
	for _, r := range routes {
		all = append(all, RouteForTest{r.pattern, [...]string{"anyone", "signed in", "member", "operator"}[r.who]})
	}
	return all
}
