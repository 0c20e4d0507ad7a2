package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

func adviseCommand(o *options) *cobra.Command {
	var subject, category, to string
	cmd := &cobra.Command{
		Use:   "advise FILE",
		Short: "Judge a letter before it is sent, and advise what would make an answer more likely",
		Long: `Judge a letter before it is sent, and advise what would make an answer more likely. FILE
is a letter; - is the standard input. Nothing is stored.

` + letterHelp + `

Without --to no server is needed, but neither the recipient nor what the spam filter has learnt is known. With
--to a server judges the letter to that member by every rule. The command exits with 3 when the letter would be
refused; advice refuses nothing.`,
		Example: "  inmail advise letter.txt\n  inmail advise letter.txt --member lena.hart --to distant.dahl",
		Args:    exactly(1),
	}
	f := cmd.Flags()
	f.StringVar(&subject, "subject", "", "the subject, in place of that of FILE")
	f.StringVar(&category, "category", "", "as for inmail send")
	f.StringVar(&to, "to", "", "`ID` of the recipient, or the name of exactly one member; a server judges the letter")
	o.asMember(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		m, err := readLetter(cmd, args[0], subject)
		if err != nil {
			return err
		}
		recipient, err := c.recipientOf(cmd.Context(), to)
		if err != nil {
			return err
		}
		m.To, m.Category = recipient.ID, category
		answer, err := c.post(cmd.Context(), "/v1/preflight", m)
		if err != nil {
			return err
		}
		return o.printVerdict(cmd, answer)
	})
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if to != "" {
			return ask(cmd, args)
		}
		m, err := readLetter(cmd, args[0], subject)
		if err != nil {
			return err
		}
		m.Category = category
		s, err := o.load() // for the policies
		if err != nil {
			return err
		}
		answer, err := jsonOf(judge(m, s.Policy.ReadingEase))
		if err != nil {
			return err
		}
		return o.printVerdict(cmd, answer)
	}
	return cmd
}

// letterHelp says what a letter is, for every command that reads one.
const letterHelp = `The first line of a letter is its subject, with or without “Subject:” before it, and the rest is the
text. With --subject all of it is the text, but for a first line with “Subject:”, which is left out.`

// letterOf returns subject and text of a letter. A subject that is given elsewhere takes precedence.
func letterOf(text, subject string, given bool) (string, string) {
	first, rest, _ := strings.Cut(text, "\n")
	name, value, named := strings.Cut(first, ":")
	if named = named && strings.EqualFold(strings.TrimSpace(name), "subject"); named {
		first = value
	}
	if given && !named {
		return subject, text
	}
	if !given {
		subject = strings.TrimSpace(first)
	}
	return subject, strings.TrimLeft(rest, "\r\n")
}

// readLetter reads a letter from a file.
func readLetter(cmd *cobra.Command, path, subject string) (newInMail, error) {
	text, err := readText(cmd, path)
	if err != nil {
		return newInMail{}, err
	}
	var m newInMail
	m.Subject, m.Body = letterOf(text, subject, cmd.Flags().Changed("subject"))
	return m, nil
}

// verdict is the judgement of a letter, in the form in which a preflight answers. Letter is set when no
// server was asked.
type verdict struct {
	OK       bool      `json:"ok"`
	Refusals []hint    `json:"refusals"`
	Advice   []hint    `json:"advice"`
	Letter   *measures `json:"letter,omitempty"`
}

// measures are the length of a text and the part of it that the inbox shows.
type measures struct {
	Words      int    `json:"words"`
	Characters int    `json:"characters"` // as R23 counts them
	Preview    string `json:"preview"`    // as the inbox shows it (R30)
}

// judge applies the rules that need no record: R22, R23, R25, R26, R42 by phrases alone (nothing is learnt),
// and R45 to R52 as far as they need no recipient.
func judge(m newInMail, readingEase float64) verdict {
	text := domain.ReadText(m.Subject, m.Body, false)
	v := verdict{Refusals: []hint{}, Advice: []hint{}, Letter: &measures{
		Words: advice.Words(text.Body.Text()), Characters: text.Body.Length(), Preview: text.Preview(),
	}}
	for _, r := range text.Refusals() {
		v.Refusals = append(v.Refusals, hint{string(r.Code), r.Detail})
	}
	if found := spam.Judge(nil, text.Subject, text.Source); found.Spam {
		var reasons []string
		for _, r := range found.Reasons {
			reasons = append(reasons, r.Text)
		}
		v.Refusals = append(v.Refusals, hint{string(domain.SpamContent),
			"the message reads like spam: " + strings.Join(reasons, "; ")})
	}
	for _, h := range advice.Advise(advice.Message{Subject: text.Subject, Body: text.Body, Category: m.Category},
		readingEase) {
		v.Advice = append(v.Advice, hint{h.Code, h.Detail})
	}
	v.OK = len(v.Refusals) == 0
	return v
}

// printVerdict prints a verdict, and returns its first refusal as the command's error.
func (o *options) printVerdict(cmd *cobra.Command, answer json.RawMessage) error {
	if err := printAnswer(o, cmd, answer, verdict.text); err != nil {
		return err
	}
	var v verdict
	if err := json.Unmarshal(answer, &v); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if v.OK || len(v.Refusals) == 0 {
		return nil
	}
	first := v.Refusals[0]
	return fmt.Errorf("it would be refused: %w",
		&domain.Refusal{Code: domain.Code(plain(first.Code)), Detail: plain(first.Detail)})
}

func (v verdict) text() string {
	text := hintsText("would be refused", v.Refusals) + adviceText(v.Advice)
	if text == "" {
		text = "no rule refuses it, and there is nothing to advise\n"
	}
	if v.Letter != nil {
		text += fmt.Sprintf("\n%s, %d of %d characters\npreview: %s\n", count(v.Letter.Words, "word"),
			v.Letter.Characters, domain.MaxBody, plain(v.Letter.Preview))
	}
	return text
}
