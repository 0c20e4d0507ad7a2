//go:build !linux

package porttest

import "net"

// Listening returns nil when somebody listens on port. Only Linux says without further programs who it is.
func Listening(_, port int) error {
	connection, err := net.Dial("tcp", address(port))
	if err != nil {
		return err
	}
	return connection.Close()
}
