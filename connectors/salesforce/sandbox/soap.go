package sandbox

import "net/http"

func (s *Sandbox) soap(w http.ResponseWriter, r *http.Request, _ []string) { s.write(w, r, notFound()) }
