package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"inmail/domain/spam"
)

// benchSeed is the seed of the set of messages that is made when no files are given.
const benchSeed = 41

func benchSpamCommand(o *options) *cobra.Command {
	var train, test string
	cmd := &cobra.Command{
		Use: "spam", Short: "Measure the spam filter: cold, and after learning", Args: exactly(0),
		Long: `Train the spam filter online on one set of messages and judge another. A file has one message on each
line: spam or ham, a tab, the text. Without files a made-up set is split in two, which shows that the filter
learns, but not how well it does with your messages.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			learn, judge, err := spamSets(train, test)
			if err != nil {
				return err
			}
			r := spam.Evaluate(learn, judge)
			rates := func(r spam.Rates) map[string]any {
				return map[string]any{"found": r.Found, "false_alarms": r.FalseAlarms,
					"spam_refused": r.Confusion.SpamRefused, "spam_passed": r.Confusion.SpamPassed,
					"good_refused": r.Confusion.GoodRefused, "good_passed": r.Confusion.GoodPassed}
			}
			text := fmt.Sprintf("trained on %d messages, judged %d\n\n"+
				"         found    false alarms   spam refused/passed   good refused/passed\n", len(learn), len(judge))
			for _, line := range []struct {
				name string
				r    spam.Rates
			}{{"cold", r.Cold}, {"trained", r.Trained}} {
				text += fmt.Sprintf("%-8s %5.1f %%  %6.2f %%       %6d / %-6d       %6d / %-6d\n",
					line.name, 100*line.r.Found, 100*line.r.FalseAlarms,
					line.r.Confusion.SpamRefused, line.r.Confusion.SpamPassed,
					line.r.Confusion.GoodRefused, line.r.Confusion.GoodPassed)
			}
			return o.print(cmd.OutOrStdout(), map[string]any{"cold": rates(r.Cold), "trained": rates(r.Trained)}, text)
		},
	}
	cmd.Flags().StringVar(&train, "train", "", "messages to learn from")
	cmd.Flags().StringVar(&test, "test", "", "messages to judge")
	return cmd
}

// spamSets reads the two files, or makes a set and splits it four to one.
func spamSets(train, test string) (learn, judge []spam.Example, err error) {
	if (train == "") != (test == "") {
		return nil, nil, usageError{fmt.Errorf("--train and --test go together")}
	}
	if train == "" {
		all := spam.Sample(benchSeed)
		return all[:len(all)*4/5], all[len(all)*4/5:], nil
	}
	if learn, err = readExamples(train); err != nil {
		return nil, nil, err
	}
	judge, err = readExamples(test)
	return learn, judge, err
}

func readExamples(path string) ([]spam.Example, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	examples, err := spam.ReadExamples(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return examples, nil
}
