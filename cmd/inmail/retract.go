package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain"
)

// errNotRetracted is returned when the user does not confirm.
var errNotRetracted = errors.New("not retracted")

func retractCommand(o *options) *cobra.Command {
	var yes bool
	var token string
	cmd := &cobra.Command{
		Use:   "retract ID",
		Short: "Take an InMail back, after showing what that does",
		Long: fmt.Sprintf(`Take an InMail back within %d hours of its sending. The command first shows what
retracting now would do, and asks; --yes answers in advance. With --json it does not ask: without --yes it
prints an offer, whose token --confirm takes within %g minutes. Both steps may be repeated. The credit is not
given back.`, domain.WindowHours, domain.ConfirmFor.Minutes()),
		Example: "  inmail retract 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --member lena.hart",
		Args:    exactly(1),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "retract without asking")
	cmd.Flags().StringVar(&token, "confirm", "", "`token` of the first step, to take the second")
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		if yes && token != "" {
			return usageError{errors.New("--yes takes both steps and --confirm only the second; give one of them")}
		}
		path, err := c.inmailPath(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		r := retraction{o: o, cmd: cmd, c: c, path: path}
		if token != "" {
			return r.confirm(token)
		}
		answer, err := c.post(cmd.Context(), r.path+"/retract", nil)
		if err != nil {
			return err
		}
		if o.json && !yes {
			return o.print(cmd.OutOrStdout(), answer, "")
		}
		var offer retractOffer
		if err := json.Unmarshal(answer, &offer); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if !o.json {
			if err := r.show(offer); err != nil {
				return err
			}
		}
		if !yes {
			if err := r.ask(); err != nil {
				return err
			}
		}
		return r.confirm(offer.Confirm)
	})
}

type retractOffer struct {
	Confirm   string
	ExpiresAt time.Time `json:"expires_at"`
	Undone    bool      `json:"undone_if_confirmed_now"`
}

// retraction is one run of inmail retract.
type retraction struct {
	o    *options
	cmd  *cobra.Command
	c    *remote
	path string
}

// show prints which InMail it is and what confirming would do (R36, R37).
func (r retraction) show(offer retractOffer) error {
	view, err := r.c.get(r.cmd.Context(), r.path, nil)
	if err != nil {
		return err
	}
	var m sentView
	if err := json.Unmarshal(view, &m); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	what := "Nobody has read it: it will be gone from the recipient's inbox."
	if !offer.Undone {
		what = "It was opened: it leaves the recipient's inbox and does not open again; " +
			"what was read stays read, and a conversation goes on."
	}
	_, err = fmt.Fprintf(r.cmd.OutOrStdout(), "To %s: %s\n%s The credit is not given back.\n",
		plain(m.To.String()), plain(m.Subject), what)
	return err
}

// ask asks the user at the terminal. Without a terminal it returns a usageError.
func (r retraction) ask() error {
	in, ok := r.cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return usageError{fmt.Errorf("%w: there is no terminal to ask at; give --yes", errNotRetracted)}
	}
	fmt.Fprint(r.cmd.OutOrStdout(), "Retract it? [y/N] ")
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", errNotRetracted, err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errNotRetracted
}

// confirm takes the second step and prints its result.
func (r retraction) confirm(token string) error {
	answer, err := r.c.post(r.cmd.Context(), r.path+"/retract", map[string]string{"confirm": token})
	if err != nil {
		return err
	}
	return printAnswer(r.o, r.cmd, answer, func(a struct{ Undone bool }) string {
		if a.Undone {
			return "retracted; nobody had read it\n"
		}
		return "retracted; it had been read\n"
	})
}
