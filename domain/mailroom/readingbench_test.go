package mailroom

import (
	"strings"
	"testing"

	"inmail/domain"
)

// BenchmarkRead reads a letter as its acceptance does, and gives the advice for its recipient.
func BenchmarkRead(b *testing.B) {
	const plain = "Hi Anna,\n\nI saw your talk about data pipelines in Berlin and liked how you handled late events. " +
		"We are building a team for exactly that at Northwind, and I would love to hear what you think about it. " +
		"It pays up to $95k, with two days at home, and we would help with the move.\n\nYour experience with streaming is " +
		"what made me write: the engineers here would learn a lot from you. I've read your article on backpressure twice, " +
		"and it changed how we test. Free for a call on Tuesday?\n\nBest,\nTom"
	const formatted = "Hi Anna,\n\nyour talk on **tidal power** in Porto made me think about our tests. Two questions:\n\n" +
		"- how do you keep the blades clean?\n- would *you* talk to our team?\n\n" +
		"[The programme](https://example.com/programme) is short, see www.example.org/more.\n\n"
	const french = "Bonjour Anna, j'ai vu votre présentation à Genève et elle m'a beaucoup plu. Nous cherchons quelqu'un " +
		"d'expérimenté pour notre équipe; seriez-vous prête à échanger la semaine prochaine?\n\n"
	const russian = "Здравствуйте, Анна! Ищем ведущего разработчика на Go в команду платежей, удалённо.\n\n"
	const chinese = "您好，我们正在寻找一位有经验的工程师，负责支付系统的设计和开发。您愿意这周聊一聊吗？\n\n"
	const size = 1 << 20
	to := domain.NewMember("anna", "Anna Schmidt")
	to.Headline, to.Company, to.Skills = "Head of Data at Northwind", "Contoso Ltd", []string{"SQL", "Kafka", "Data engineering"}
	svc := &Service{policy: domain.DefaultPolicy()}
	for _, c := range []struct{ name, subject, body string }{
		{"short", "A question for Anna", formatted[:180]},
		{"plain", "Free for a call on Tuesday?", plain},
		{"long", "Tidal power in Porto", strings.Repeat(formatted, 5) + plain},
		{"french", "Votre exposé à Genève", strings.Repeat(french, 4)},
		{"russian", "Вопрос о платежах", strings.Repeat(russian, 6)},
		{"chinese", "关于支付系统", strings.Repeat(chinese, 8)},
		{"subject of marks", strings.Repeat("e\u0301", size/3), "Hi Anna"},
		{"body of marks", "A question", strings.Repeat("e\u0301", size/3)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d := svc.Read(Send{From: "tom", To: "anna", Subject: c.subject, Body: c.body, Key: "key"})
				if !d.text.TooLong() {
					advise(d.advised(), &to, []string{"Ben Meyer"})
				}
			}
		})
	}
}
