package spam

import "strings"

// Sample returns 800 generated messages in random order, 200 of them spam: InMails of recruiters, sales
// people and colleagues, and mass mail. Half of the spam matches no phrase, so only reports can teach it. The
// same seed gives the same messages.
//
// It is a corpus for benchmarks and tests, because no real messages may be stored with the code. Results on
// it show that the filter works, not how well it does on real mail.
func Sample(seed uint64) []Example {
	random := splitMix64(seed)
	all := make([]Example, 0, sampleSize)
	for i := range sampleSize {
		kinds := sampleGood
		switch {
		case i%8 == 0:
			kinds = sampleKnownSpam
		case i%8 == 4:
			kinds = sampleNovelSpam
		}
		kind := random.pick(kinds)
		subject, body, _ := strings.Cut(random.fill(kind), "\n")
		if i%16 == 0 {
			body = random.mask(body)
		}
		all = append(all, Example{Spam: i%4 == 0, Subject: subject, Body: body})
	}
	for i := len(all) - 1; i > 0; i-- {
		j := random.intN(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	return all
}

const sampleSize = 800

// splitMix64 is the pseudorandom generator of that name; its value is the state. It is part of the code
// because the sample of a seed must never change.
type splitMix64 uint64

func (r *splitMix64) intN(n int) int {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(n))
}

func (r *splitMix64) pick(from []string) string { return from[r.intN(len(from))] }

// fill replaces each {name} in a text by one of sampleWords.
func (r *splitMix64) fill(text string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		out.WriteString(r.fill(r.pick(sampleWords[name])))
		text = after
	}
}

// mask replaces letters by digits in a third of the words, as senders do to evade a list of phrases.
func (r *splitMix64) mask(text string) string {
	masked := strings.NewReplacer("o", "0", "e", "3", "i", "1")
	words := strings.Fields(text)
	for i := range words {
		if r.intN(3) == 0 {
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
	"Speaking about {topic}\nHi {name}, {count} people meet in {city} to talk about {topic}. Would you give a " +
		"talk? We pay travel. {bye}",
	"Question about {topic}\nHello {name}, I read what you wrote on {topic}. How did you get {firm} to agree? {ask}",
	"Introduction\nHi {name}, {name} at {firm} suggested that we talk about {topic}. {ask}",
	"{topic} at {firm}\nHi {name}, we have a budget of €{count}k for {topic} this year. Are you the right " +
		"person to ask? {bye}",
	"Thank you\nHi {name}, thank you for the talk about {topic} in {city}. It helped us a lot at {firm}. {bye}",
	"Your application\nDear {name}, thank you for applying as a {role}. Could you come to {city} on {day}? {bye}",
}

// sampleKnownSpam is spam that phrases find.
var sampleKnownSpam = []string{
	"Congratulations\nYou have won {money} in our lottery! {click} and claim your prize {rush}",
	"Dear friend\nI am a barrister and my late client left {money} in a dormant account. Stand as the " +
		"beneficiary. {rush}",
	"Extra income\nEarn {money} a week from home, no experience needed. {click} {rush}",
	"Crypto\nDouble your bitcoin {rush} Guaranteed returns, daily profit, {click}",
	"Loan offer\nWe offer loans up to {money}, no credit check, guaranteed approval. {click} {rush}",
	"Account\nYour account has been suspended. Verify your account {rush} {click}",
	"Followers\nGet {count}000 real followers for {money}, buy likes, best prices. {click}",
	"Pills\nCheap viagra without prescription, lose weight fast, {click} {rush}",
}

// sampleNovelSpam is mass mail that no phrase finds, only the reports of its readers.
var sampleNovelSpam = []string{
	"{greet}\nWe are a leading offshore company from {place} with {count}0 dedicated developers. We provide " +
		"{services} at hourly rates from ${count}. Kindly share your requirement.",
	"Collaboration\n{greet}, greetings of the day. We are a reputed vendor of {services}. Kindly let me know a " +
		"suitable time to showcase our portfolio and offshore pricing.",
	"{services}\n{greet}, this is regarding {services} for your esteemed organization. Our offshore resources " +
		"are available for immediate deployment. Kindly revert.",
	"Coaching\n{greet}, I scale coaches to seven figures with my proven funnel. I have helped {count} coaches " +
		"ditch their nine to five. Comment FUNNEL and my team will onboard you.",
	"Exclusive mastermind\n{greet}, only high performers get into my seven figure mastermind. My proven funnel " +
		"changes your mindset in {count} days. Seats go to action takers.",
	"Award\n{greet}, you have been nominated for the Global Visionary Leaders magazine cover. The nomination " +
		"comes with a publication package. Kindly revert to reserve your cover story.",
}

var sampleWords = map[string][]string{
	"name": {"Anna", "Tom", "Priya", "Jonas", "Wei", "Elif", "Marta", "Omar", "Lucy", "Sergei", "Ines", "Daniel"},
	"firm": {
		"Northwind", "Contoso", "Globex", "Initech", "Umbra Logistics", "Fabrikam", "Tailspin", "Adventure Works",
	},
	"city": {"Berlin", "Dublin", "Lyon", "Madrid", "Boston", "Zürich", "Leeds", "Vienna"},
	"role": {
		"site reliability engineer", "head of nursing", "product manager", "data architect", "account executive",
		"senior accountant", "site manager", "machine learning engineer",
	},
	"topic": {
		"stream processing", "churn", "supply chains", "wage tax", "energy costs", "patient safety",
		"remote onboarding", "warehouse robots", "accessibility",
	},
	"saw": {
		"I saw your talk on {topic}", "I read your article about {topic}", "your post on {topic} made me think",
		"we met at the {topic} meetup in {city}",
	},
	"terms": {
		"€{count}k a year and two days at home", "permanent, from March", "six months, hybrid",
		"salary up to ${count}0k plus bonus", "four days a week",
	},
	"benefit": {
		"helped {firm} increase pipeline by {count} %", "cut the cost of {topic} by {count} %",
		"offer a free trial of our {topic} tool", "build software for {topic}",
	},
	"benefit2": {
		"Teams that grow so fast lose {count} % of their time to {topic}, and we fix that",
		"We did {topic} for {firm}, too", "I would love to hear how you handle {topic} now",
	},
	"news": {"the new office in {city}", "your series B", "the award", "the launch"},
	"ask": {
		"Free for a call on {day}?", "Could we talk on {day}?", "Would {day} at ten suit you?", "May I send two pages?",
		"Are you open to a short conversation?", "Is that a topic for you?",
	},
	"bye":   {"Best regards, {name}", "Thanks, {name}", "Kind regards from {city}", "Have a good week!"},
	"day":   {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"},
	"count": {"12", "15", "18", "20", "30", "45", "60", "80"},
	"money": {"$5,000", "€{count},000", "$1,000,000", "£900", "{count} million dollars"},
	"click": {"Click here: bit.ly/{count}x", "WhatsApp me now", "Click the link below", "Message me on Telegram"},
	"rush":  {"now!!!", "today only!", "within 24 hours", "before it is too late!"},
	"greet": {"Hello Sir", "Respected Sir", "Greetings", "Hi there"},
	"place": {"Gurgaon", "Shenzhen", "Manila", "Minsk"},
	"services": {
		"web development and mobile apps", "staff augmentation and QA", "data annotation and back office support",
		"ERP implementation and maintenance",
	},
}
