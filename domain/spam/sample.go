package spam

import "strings"

// Sample returns 800 made-up messages in no order, 200 of them spam: InMails of
// recruiters, sales people and colleagues, and mass mail, half of which no phrase
// gives away before somebody has reported it. The same seed gives the same.
//
// It is a corpus for bench and tests where no real one may lie; what a filter finds
// in it says that the filter works, not how well it will do on real mail.
func Sample(seed uint64) []Example {
	dice := dice(seed)
	all := make([]Example, 0, sampleSize)
	for i := range sampleSize {
		kinds := sampleGood
		switch {
		case i%8 == 0:
			kinds = sampleOpenSpam
		case i%8 == 4:
			kinds = sampleQuietSpam
		}
		kind := dice.pick(kinds)
		subject, body, _ := strings.Cut(dice.fill(kind), "\n")
		if i%16 == 0 {
			body = dice.mask(body)
		}
		all = append(all, Example{Spam: i%4 == 0, Subject: subject, Body: body})
	}
	for i := len(all) - 1; i > 0; i-- {
		j := dice.below(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	return all
}

const sampleSize = 800

// dice is a stream of numbers that follow from a seed (SplitMix64).
type dice uint64

func (d *dice) below(n int) int {
	*d += 0x9e3779b97f4a7c15
	x := uint64(*d)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(n))
}

func (d *dice) pick(from []string) string { return from[d.below(len(from))] }

// fill replaces each {name} in a text by one of sampleWords.
func (d *dice) fill(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		out.WriteString(d.fill(d.pick(sampleWords[name])))
		text = after
	}
}

// mask writes some letters as those do who know that a list is looking.
func (d *dice) mask(text string) string {
	masked := strings.NewReplacer("o", "0", "e", "3", "i", "1")
	words := strings.Fields(text)
	for i := range words {
		if d.below(3) == 0 {
			words[i] = masked.Replace(words[i])
		}
	}
	return strings.Join(words, " ")
}

var sampleGood = []string{
	"{role} in {city}\nHi {name}, {saw}. We are looking for a {role} in {city}, {terms}. {ask}",
	"{topic}\nHi {name}, {saw}. At {firm} we {benefit}. {ask}",
	"Urgent hiring need: {role}\nHello {name}, {firm} has an urgent hiring need in {city}: {terms}. {ask} {bye}",
	"Your team at {firm}\nHi {name}, congratulations on {news}! {benefit2}. {ask}",
	"{topic}\nDear {name}, my client is looking for a {role}. {terms}. {saw}, so I thought of you. {ask}",
	"Free for a call on {day}?\nHi {name}, {saw} and would like to hear more. {ask} {bye}",
	"Speaking about {topic}\nHi {name}, {count} people meet in {city} to talk about {topic}. Would you give a talk? We pay travel. {bye}",
	"Question about {topic}\nHello {name}, I read what you wrote on {topic}. How did you get {firm} to agree? {ask}",
	"Introduction\nHi {name}, {name} at {firm} suggested that we talk about {topic}. {ask}",
	"{topic} at {firm}\nHi {name}, we have a budget of €{count}k for {topic} this year. Are you the right person to ask? {bye}",
	"Thank you\nHi {name}, thank you for the talk about {topic} in {city}. It helped us a lot at {firm}. {bye}",
	"Your application\nDear {name}, thank you for applying as a {role}. Could you come to {city} on {day}? {bye}",
}

// sampleOpenSpam is known by its phrases.
var sampleOpenSpam = []string{
	"Congratulations\nYou have won {money} in our lottery! {click} and claim your prize {rush}",
	"Dear friend\nI am a barrister and my late client left {money} in a dormant account. Stand as the beneficiary. {rush}",
	"Extra income\nEarn {money} a week from home, no experience needed. {click} {rush}",
	"Crypto\nDouble your bitcoin {rush} Guaranteed returns, daily profit, {click}",
	"Loan offer\nWe offer loans up to {money}, no credit check, guaranteed approval. {click} {rush}",
	"Account\nYour account has been suspended. Verify your account {rush} {click}",
	"Followers\nGet {count}000 real followers for {money}, buy likes, best prices. {click}",
	"Pills\nCheap viagra without prescription, lose weight fast, {click} {rush}",
}

// sampleQuietSpam is mass mail that only its readers' reports give away.
var sampleQuietSpam = []string{
	"{greet}\nWe are a leading offshore company from {place} with {count}0 dedicated developers. We provide {services} at hourly rates from ${count}. Kindly share your requirement.",
	"Collaboration\n{greet}, greetings of the day. We are a reputed vendor of {services}. Kindly let me know a suitable time to showcase our portfolio and offshore pricing.",
	"{services}\n{greet}, this is regarding {services} for your esteemed organization. Our offshore resources are available for immediate deployment. Kindly revert.",
	"Coaching\n{greet}, I scale coaches to seven figures with my proven funnel. I have helped {count} coaches ditch their nine to five. Comment FUNNEL and my team will onboard you.",
	"Exclusive mastermind\n{greet}, only high performers get into my seven figure mastermind. My proven funnel changes your mindset in {count} days. Seats go to action takers.",
	"Award\n{greet}, you have been nominated for the Global Visionary Leaders magazine cover. The nomination comes with a publication package. Kindly revert to reserve your cover story.",
}

var sampleWords = map[string][]string{
	"name":     {"Anna", "Tom", "Priya", "Jonas", "Wei", "Elif", "Marta", "Omar", "Lucy", "Sergei", "Ines", "Daniel"},
	"firm":     {"Northwind", "Contoso", "Globex", "Initech", "Umbra Logistics", "Fabrikam", "Tailspin", "Adventure Works"},
	"city":     {"Berlin", "Dublin", "Lyon", "Madrid", "Boston", "Zürich", "Leeds", "Vienna"},
	"role":     {"site reliability engineer", "head of nursing", "product manager", "data architect", "account executive", "senior accountant", "site manager", "machine learning engineer"},
	"topic":    {"stream processing", "churn", "supply chains", "wage tax", "energy costs", "patient safety", "remote onboarding", "warehouse robots", "accessibility"},
	"saw":      {"I saw your talk on {topic}", "I read your article about {topic}", "your post on {topic} made me think", "we met at the {topic} meetup in {city}"},
	"terms":    {"€{count}k a year and two days at home", "permanent, from March", "six months, hybrid", "salary up to ${count}0k plus bonus", "four days a week"},
	"benefit":  {"helped {firm} increase pipeline by {count} %", "cut the cost of {topic} by {count} %", "offer a free trial of our {topic} tool", "build software for {topic}"},
	"benefit2": {"Teams that grow so fast lose {count} % of their time to {topic}, and we fix that", "We did {topic} for {firm}, too", "I would love to hear how you handle {topic} now"},
	"news":     {"the new office in {city}", "your series B", "the award", "the launch"},
	"ask":      {"Free for a call on {day}?", "Could we talk on {day}?", "Would {day} at ten suit you?", "May I send two pages?", "Are you open to a short conversation?", "Is that a topic for you?"},
	"bye":      {"Best regards, {name}", "Thanks, {name}", "Kind regards from {city}", "Have a good week!"},
	"day":      {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"},
	"count":    {"12", "15", "18", "20", "30", "45", "60", "80"},
	"money":    {"$5,000", "€{count},000", "$1,000,000", "£900", "{count} million dollars"},
	"click":    {"Click here: bit.ly/{count}x", "WhatsApp me now", "Click the link below", "Message me on Telegram"},
	"rush":     {"now!!!", "today only!", "within 24 hours", "before it is too late!"},
	"greet":    {"Hello Sir", "Respected Sir", "Greetings", "Hi there"},
	"place":    {"Gurgaon", "Shenzhen", "Manila", "Minsk"},
	"services": {"web development and mobile apps", "staff augmentation and QA", "data annotation and back office support", "ERP implementation and maintenance"},
}
