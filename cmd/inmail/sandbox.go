package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"inmail/connectors/hubspot"
	hubspotsandbox "inmail/connectors/hubspot/sandbox"
	"inmail/connectors/salesforce"
	"inmail/connectors/salesforce/sandbox"
	"inmail/domain"
)

func sandboxCommand(o *options) *cobra.Command {
	var listen, file, clientID, crm string
	var seed uint64
	var undeployed bool
	cmd := &cobra.Command{
		Use: "sandbox", Short: "Run the sandbox of a CRM alone", Args: exactly(0),
		Long: `Run the Salesforce sandbox alone: a small, strict Salesforce for trying and testing. It is not
Salesforce. The secret of its client credentials is taken from INMAIL_SALESFORCE_CLIENT_SECRET, or made and
printed. With INMAIL_SALESFORCE_USERNAME and INMAIL_SALESFORCE_PASSWORD set, its user may also log in by these.
The control paths are under /sandbox/. With --undeployed the org has nothing of the package, as a customer's at
first: POST /sandbox/sessions gives the session of an administrator with which inmail crm setup sets it up.

With --crm hubspot it is a HubSpot portal, in memory and not HubSpot either, whose token is taken from
INMAIL_HUBSPOT_TOKEN, or made and printed. A server uses it with INMAIL_HUBSPOT_URL set to its address.`,
		Example: "  INMAIL_SALESFORCE_CLIENT_SECRET=try-me-try-me inmail sandbox --file org.db\n" +
			"  INMAIL_HUBSPOT_TOKEN=pat-try-me inmail sandbox --crm hubspot --listen 127.0.0.1:8091",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch domain.CRM(crm) {
			case hubspot.Name:
				return hubspotSandbox(o, cmd, listen, seed)
			case salesforce.Name:
			default:
				return usageError{fmt.Errorf("--crm: %q has no sandbox; name salesforce or hubspot", crm)}
			}
			secret := os.Getenv("INMAIL_SALESFORCE_CLIENT_SECRET")
			made := secret == ""
			if made {
				random := uuids{}.NewSecret()
				secret = hex.EncodeToString(random[:])
			}
			user := sandbox.User{Username: "inmail@sandbox.invalid", FirstName: "InMail", LastName: "Integration",
				Integration: true}
			name, password := os.Getenv("INMAIL_SALESFORCE_USERNAME"), os.Getenv("INMAIL_SALESFORCE_PASSWORD")
			if name != "" && password != "" {
				user.Username, user.Password = name, password
			}
			org, err := sandbox.New(sandbox.Options{File: file, DailyLimit: 100_000, Seed: seed, Undeployed: undeployed,
				Credentials: sandbox.Credentials{
					ClientID: clientID, ClientSecret: secret, Users: []sandbox.User{user},
				}})
			if err != nil {
				return err
			}
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen on %s: %w; choose another address (--listen)", listen, err)
			}
			hello := map[string]string{"url": "http://" + listener.Addr().String(), "client_id": clientID}
			text := fmt.Sprintf("the Salesforce sandbox (not Salesforce) serves at http://%s for client id %s\n",
				listener.Addr(), clientID)
			if made {
				hello["client_secret"] = secret
				text += "its client secret, made for this run: " + secret + "\n"
			}
			if err := o.print(cmd.OutOrStdout(), hello, text); err != nil {
				return err
			}
			defer org.Close()
			return org.Serve(cmd.Context(), listener)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "address of the sandbox")
	cmd.Flags().StringVar(&crm, "crm", string(salesforce.Name), "whose sandbox: salesforce or hubspot")
	cmd.Flags().StringVar(&file, "file", "", "SQLite database of the org; empty: a temporary one")
	cmd.Flags().BoolVar(&undeployed, "undeployed", false, "start an org of Salesforce without the package")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "seed of the faults that are drawn at random")
	cmd.Flags().StringVar(&clientID, "client-id", "inmail", "consumer key that may log in")
	return cmd
}

// hubspotSandbox serves a HubSpot portal until the command is interrupted.
func hubspotSandbox(o *options, cmd *cobra.Command, listen string, seed uint64) error {
	token := os.Getenv("INMAIL_HUBSPOT_TOKEN")
	made := token == ""
	if made {
		random := uuids{}.NewSecret()
		token = "pat-" + hex.EncodeToString(random[:])
	}
	portal, err := hubspotsandbox.New(hubspotsandbox.Options{Token: token, Seed: seed})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address (--listen)", listen, err)
	}
	hello := map[string]string{"url": "http://" + listener.Addr().String()}
	text := fmt.Sprintf("the HubSpot sandbox (not HubSpot) serves at http://%s\n", listener.Addr())
	if made {
		hello["token"] = token
		text += "its token, made for this run: " + token + "\n"
	}
	if err := o.print(cmd.OutOrStdout(), hello, text); err != nil {
		return err
	}
	return portal.Serve(cmd.Context(), listener)
}
