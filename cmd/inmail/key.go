package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func keyCommand(o *options) *cobra.Command {
	return commandGroup(&cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke API keys",
		Example: "  inmail key create --member lena.hart\n  inmail key list\n" +
			"  inmail key revoke 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21",
		GroupID: operatorGroup,
	}, keyCreateCommand(o), keyListCommand(o), keyRevokeCommand(o))
}

func keyCreateCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a key, and print it this once",
		Long: `Make a key, and print it this once: only its hash is stored. With --member it acts as that member, without it
is an operator's.`,
		Example: "  inmail key create --member lena.hart --name laptop\n" +
			"  inmail key create --read-only --name grafana --expires 2160h",
		Args: exactly(0),
	}
	var member, name string
	var readOnly bool
	var expires time.Duration
	cmd.Flags().StringVar(&member, "member", "", "`ID` of the member whom the key acts as; left out: an operator's key")
	cmd.Flags().StringVar(&name, "name", "", "`NAME` of the key, for people")
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "the key changes nothing: it reads, and makes preflights")
	cmd.Flags().DurationVar(&expires, "expires", 0, "`DURATION` after which the key is unknown, such as 2160h; 0: never")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		if expires < 0 {
			return usageError{errors.New("--expires: a duration from now on, such as 2160h")}
		}
		body := map[string]any{"role": "operator"}
		if member != "" {
			body["role"], body["member"] = "member", member
		}
		if name != "" {
			body["name"] = name
		}
		if readOnly {
			body["read_only"] = true
		}
		if expires > 0 {
			body["expires_at"] = time.Now().Add(expires).UTC().Format(time.RFC3339)
		}
		answer, err := c.post(cmd.Context(), "/v1/keys", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, newKeyAnswer.text)
	})
}

type newKeyAnswer struct{ ID, Key string }

func (a newKeyAnswer) text() string {
	return fmt.Sprintf("%s\nThis is the key; it is shown this once. Its id is %s.\n", a.Key, a.ID)
}

func keyListCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the keys, newest first",
		Example: "  inmail key list",
		Args:    exactly(0),
	}
	var p paging
	p.flags(cmd)
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.list(cmd.Context(), "/v1/keys", url.Values{}, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, keysAnswer.text)
	})
}

type keysAnswer struct {
	Items []struct {
		ID, Role, Member, Name string
		CreatedAt              time.Time `json:"created_at"`
		ExpiresAt              time.Time `json:"expires_at"`
		LastUsedAt             time.Time `json:"last_used_at"`
		ReadOnly               bool      `json:"read_only"`
	}
}

func (a keysAnswer) text() string {
	if len(a.Items) == 0 {
		return "no keys\n"
	}
	t := newTable("ID", "ROLE", "MEMBER", "NAME", "MADE", "EXPIRES", "LAST USED")
	for _, k := range a.Items {
		role := k.Role
		if k.ReadOnly {
			role += ", reads only"
		}
		t.row(k.ID, role, k.Member, k.Name, when(k.CreatedAt), when(k.ExpiresAt), when(k.LastUsedAt))
	}
	return t.String()
}

func keyRevokeCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a key, at once on the server that is asked and within seconds on others",
		Long: `End a key, at once on the server that is asked and within seconds on others. The id of a person of single
sign-on (sso:…, as the audit has it) ends that person's sessions on the pages.`,
		Example: "  inmail key revoke 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21\n  inmail key revoke sso:07267db8d7af7610",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		if _, err := c.ask(cmd.Context(), "DELETE", "/v1/keys/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		return o.print(cmd.OutOrStdout(), map[string]string{"revoked": args[0]}, "revoked\n")
	})
}
