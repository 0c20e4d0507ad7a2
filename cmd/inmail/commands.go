package main

import "github.com/spf13/cobra"

// commands returns all commands; each is in a file of its own.
func commands(o *options) []*cobra.Command {
	return []*cobra.Command{
		serveCommand(o), migrateCommand(o), configCommand(o), versionCommand(o), sandboxCommand(o),
		sendCommand(o), inboxCommand(o), openCommand(o), replyCommand(o), declineCommand(o), sentCommand(o), retractCommand(o),
		creditsCommand(o), standingCommand(o), adviseCommand(o), preflightCommand(o),
		importCommand(o), benchCommand(o), reportCommand(o), memberCommand(o), restrictionCommand(o),
		crmCommand(o), queueCommand(o), keyCommand(o), webhookCommand(o), loginCommand(o),
		healthCommand(o), backupCommand(o), restoreCommand(o), holdCommand(o), resumeCommand(o),
	}
}
