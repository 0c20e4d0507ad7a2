package web

// Config is what an operator may decide about the pages. Start from Default.
type Config struct {
	Pages bool `koanf:"pages"` // serve the pages; without them GET / is what it is for programs
}

// Default returns the settings that are in force when nothing is set.
func Default() Config { return Config{Pages: true} }
