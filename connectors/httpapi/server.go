package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"syscall"
)

// Server runs an API on an address, with limits on everything that a client could make it wait for.
type Server struct {
	api      *API
	http     *http.Server
	listener net.Listener
	done     chan error
}

// Listen opens the address of the API's settings. Its error says what to do when the
// port is taken or forbidden.
func Listen(ctx context.Context, a *API) (*Server, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.Config.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: another program has this address; stop it, or set INMAIL_LISTEN to a "+
			"free one: %w", a.Config.Listen, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: this user may not; set INMAIL_LISTEN to a port over 1023: %w",
			a.Config.Listen, err)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", a.Config.Listen, err)
	}
	if a.Config.Scheme() == "https" {
		c, err := readCertificate(a.Config.TLSCert, a.Config.TLSKey, a.Log, a.Now)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, c.tlsConfig())
	}
	s := &Server{api: a, listener: l, done: make(chan error, 1)}
	s.http = &http.Server{
		Handler:           a,
		ReadHeaderTimeout: a.Config.ReadHeaderTimeout,
		ReadTimeout:       a.Config.ReadTimeout,
		WriteTimeout:      a.Config.WriteTimeout,
		IdleTimeout:       a.Config.IdleTimeout,
		MaxHeaderBytes:    a.Config.MaxHeaderBytes,
		ErrorLog:          log.New(connectionLog{a.Log}, "", 0),
	}
	return s, nil
}

// Addr is where the server listens: with port 0, the one it got.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start serves requests in the background until Stop.
func (s *Server) Start() {
	go func() {
		err := s.http.Serve(s.listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
	}()
}

// Failed receives the error with which the server ended by itself, and nil after Stop.
func (s *Server) Failed() <-chan error { return s.done }

// Stop accepts no more requests and finishes those under way, for at most shutdown_timeout; then it closes
// their connections. /readyz is 503 from its beginning on.
func (s *Server) Stop(ctx context.Context) error {
	s.api.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, s.api.Config.ShutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop the HTTP server: requests were still under way: %w", err), s.http.Close())
	}
	if err := s.api.uses.stop(ctx, s.api.Now()); err != nil {
		s.api.Log.WarnContext(ctx, "when keys were last used is not noted", "error", err)
	}
	return nil
}

// connectionLog logs that net/http had an error of a connection (a failed handshake, a malformed
// request), without its text.
type connectionLog struct{ log *slog.Logger }

// Write logs one line in place of the text, which may quote what a client sent.
func (l connectionLog) Write(p []byte) (int, error) {
	l.log.Warn("connection failed before it was a request")
	return len(p), nil
}
