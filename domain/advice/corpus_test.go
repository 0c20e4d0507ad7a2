package advice

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain/richtext"
)

// The recipients of the corpus.
var (
	anna = Profile{"Anna Lindqvist", "Head of Turbine Design at Tidal Works | Marine energy", "Tidal Works AB",
		[]string{"Composites", "Corrosion testing", "CFD"}}
	marcus = Profile{"Dr. Marcus Weber", "Leiter Softwareentwicklung bei Hafenlogik", "Hafenlogik GmbH",
		[]string{"Kubernetes", "Go", "Teamführung"}}
	claire = Profile{"Claire Dubois", "Directrice marketing chez Lumière Santé", "Lumière Santé",
		[]string{"Stratégie de marque", "E-santé"}}
	lucia = Profile{"Lucía Fernández", "Responsable de compras en Frutas del Sur", "Frutas del Sur",
		[]string{"Logística", "Negociación"}}
	tanaka = Profile{"田中 太郎", "潮力発電エンジニア", "株式会社海流", []string{"流体解析", "設計"}}
	will   = Profile{"Will Price", "CFO at Northern Rail Freight", "Northern Rail Freight", []string{"Treasury", "IFRS"}}
	jose   = Profile{"José Müller", "Data engineer | Spark, Airflow | ex-Zalora", "Brightlane", []string{"Python", "Spark"}}
	priya  = Profile{"Priya Raman", "Founder & CEO at Leafcart", "Leafcart", []string{"D2C", "Supply chain"}}
)

// corpus are InMails as people write them, good and bad, each with the advice that a careful reader of
// R45–R52 would give.
var corpus = []struct {
	name, subject, body string
	to                  Profile
	category            string
	common              []string
	language            string // en unless given
	want                []string
}{
	{
		name: "good, about a talk", to: anna,
		subject: "Your talk on tidal blades in Porto",
		body: "Hi Anna,\n\nyour talk on turbine blades made me rethink how we test ours. You said that salt ate the first set in six " +
			"months. How did you find out so soon?\n\nIf you tell me, I will send you our lab data in return.\n\nBest\nBen",
	},
	{
		name: "good, job offer", to: jose,
		subject: "Lead the data platform at Fieldnote?",
		body: "Hi José,\n\nyou moved Brightlane from nightly jobs to Spark streaming. We need just that, and you would choose the tools " +
			"yourself.\n\nThe team is five people, remote, and you would report to the CTO. The pay is 95 to 110.\n\nWould you like to see " +
			"the plan for the first year?\n\nKim",
	},
	{
		name: "good, with a common connection", to: priya, common: []string{"Dana Whitfield", "Tom Okafor"},
		subject: "Dana said you might want this",
		body: "Hi Priya,\n\nDana Whitfield told me that Leafcart ships to 40 cities and that your returns cost too much. You could cut " +
			"them by a third: I wrote up how two shops your size did it.\n\nShall I send you the two pages?\n\nAlex",
	},
	{
		name: "good, offers a call", to: will,
		subject: "Rail freight hedging without a bank desk",
		body: "Hi Will,\n\nNorthern Rail Freight buys a lot of diesel, and your last report says you hedge half of it. Your peers in " +
			"Sweden now do it for less.\n\nWould you be open to a short call next week? You would leave it with their numbers.\n\nSam",
	},
	{
		name: "good, bullets", to: anna,
		subject: "Three free days in our wave tank",
		body: "Hello Anna,\n\nour tank stands empty in May, and Tidal Works could use it:\n\n- you bring the blade\n- you keep all data\n" +
			"- you pay for the crane only\n\nWould **14 May** suit you?\n\nIda",
	},
	{
		name: "good, follow-up with its category", to: anna, category: "follow_up",
		subject: "The salt data you asked for",
		body:    "Hi Anna,\n\nit was great to meet you at the conference in Porto. You asked for our salt data, so here is the link to the set. Your turbine should like it.\n\nBen",
	},
	{
		name: "template with nothing personal", to: anna,
		subject: "Exciting opportunity for growth",
		body: "Hello there,\n\nI hope you are well. I am a recruiter at a leading firm. We are growing and we have many great roles. " +
			"I would love to talk. We offer great pay.\n\nBest\nKim",
		want: []string{NoName, NoSpecifics, NoValueStatement}, // the preview already says what they want
	},
	{
		name: "name only", to: priya,
		subject: "Save half of your cloud bill",
		body:    "Hi Priya,\n\nmost shops pay twice for the cloud. You could pay half. Do you want to see how? It takes you ten minutes, and you need no card.\n\nLee",
		want:    []string{NoSpecifics},
	},
	{
		name: "specifics, no name", to: priya,
		subject: "A faster checkout for Leafcart",
		body:    "Good morning,\n\nyour checkout at Leafcart asks for nine fields. Shops with five sell more. Do you want the test plan that your peers used?\n\nLee",
		want:    []string{NoName},
	},
	{
		name: "last name counts", to: will,
		subject: "Your note on diesel costs",
		body:    "Dear Mr Price,\n\nyour note on rail diesel was the clearest that I have read this year. May I quote two lines of it, with your name, in our guide for treasurers?\n\nRosa Lund",
	},
	{
		name: "will is not Will", to: will,
		subject: "Cheaper hedging for rail freight",
		body:    "Hello,\n\nwill you hedge your diesel again this year? Rail freight firms that do so pay less. You will find your numbers in the link, and they will surprise you.\n\nSam",
		want:    []string{NoName},
	},
	{
		name: "subject of one word", to: anna,
		subject: "Turbines",
		body:    "Hi Anna,\n\nyour blades at Tidal Works turn at half the speed of ours. How do you keep the yield up? Your answer would save us a year, and you may have all our data.\n\nBen",
		want:    []string{WeakSubject},
	},
	{
		name: "subject shouts", to: anna,
		subject: "TURBINE EXPERTS WANTED NOW",
		body:    "Hi Anna,\n\nyour work on turbine blades fits what the port of Leith plans. You would build two from scratch. Do you want the brief?\n\nBen",
		want:    []string{WeakSubject},
	},
	{
		name: "subject greets", to: anna,
		subject: "Hello dear Anna, how are you?",
		body:    "Hi Anna,\n\nyour paper on blade corrosion has a chart that I would like to print in our course. You would be named, of course. May I?\n\nBen",
		want:    []string{WeakSubject},
	},
	{
		name: "subject too long", to: anna,
		subject: "An invitation to look at our new laboratory for the testing of tidal turbines",
		body:    "Hi Anna,\n\nyour turbine blades could be tested in our new tank, and you would keep all data. When would you like to see it?\n\nBen",
		want:    []string{WeakSubject},
	},
	{
		name: "preview introduces for ever", to: jose,
		subject: "Data engineer role in Lisbon",
		body: "Hi José,\n\nMy name is Kim and I work as a talent partner at Fieldnote, a firm that makes software for farms in Europe and in " +
			"North Africa. We saw your work on Spark. You would own the data team, and you could work from Lisbon or from your home.\n\nKim",
		want: []string{WeakPreview},
	},
	{
		name: "polite to no end", to: jose,
		subject: "Your Spark talk in Berlin",
		body: "Dear José,\n\nI hope this message finds you well. How are you? I came across your profile and was impressed. I am Kim from Fieldnote, " +
			"and I am new here. Your Spark work would help your neighbours, and you would be paid for it.",
		want: []string{WeakPreview},
	},
	{
		name: "wall of text", to: anna,
		subject: "What salt does to your blades",
		body: "Hi Anna,\n\nyour blades at Tidal Works run in salt, and salt is what we know best. We have kept six of them in a tank for two " +
			"years and we took one out each spring to see how far the rust had gone and where it had begun. What you would care for most is the " +
			"root, where the bolts are, and there we found that the new paint you use was gone in a year but that the old one held. You can have " +
			"all of it, and you need not pay.",
		want: []string{LongParagraph},
	},
	{
		name: "a hundred words and more", to: will,
		subject: "A cheaper way to hedge diesel",
		body: "Hi Will,\n\nyou buy diesel for all of Northern Rail Freight, and you do it well. You asked last year, in your note, why small firms " +
			"pay more than big ones.\n\nThere are three reasons. Your bank sells you one product. Your volume is low in summer. And your forecast " +
			"is done by hand, so you hedge too late.\n\nFour of your peers now buy as one. They pay what the big ones pay. They share one forecast, " +
			"and each of them may leave at any time.\n\nYou could join in the spring. You would pay a fee of one percent, and you would see all the " +
			"prices that your peers see.\n\nDo you want to see last year's numbers?\n\nSam",
		want: []string{Over100Words},
	},
	{
		name: "officialese", to: priya,
		subject: "Supply chain orchestration for Leafcart",
		body: "Dear Priya,\n\nour organization facilitates comprehensive transformation of enterprise infrastructure, leveraging innovative " +
			"methodologies and collaborative optimization to accelerate your operational sustainability. Additionally, our proprietary supply chain " +
			"orchestration capabilities deliver unparalleled visibility across your heterogeneous fulfilment ecosystem.",
		want: []string{HardToRead},
	},
	{
		name: "one endless sentence", to: anna,
		subject: "Marine energy in the north",
		body: "Hi Anna,\n\nconsidering your considerable experience with composite materials and your department's continuing evaluation of " +
			"corrosion resistance, your participation in an interdisciplinary investigation of degradation phenomena affecting submerged " +
			"installations would constitute an extraordinarily valuable contribution.",
		want: []string{HardToRead},
	},
	{
		name: "connection left unsaid", to: priya, common: []string{"Dana Whitfield", "Tom Okafor"},
		subject: "Cheaper returns for Leafcart",
		body:    "Hi Priya,\n\nyour returns page at Leafcart sends people to a form. You could let them print a label, and you would save two mails for each. Do you want the numbers?\n\nAlex",
		want:    []string{MentionCommonConnection},
	},
	{
		name: "connection with the recipient's first name", to: priya, common: []string{"Priya Shah"},
		subject: "Cheaper returns for Leafcart",
		body:    "Hi Priya,\n\nyour returns page at Leafcart sends people to a form. You could let them print a label. Do you want the numbers?\n\nAlex",
		want:    []string{MentionCommonConnection},
	},
	{
		name: "all about us", to: anna,
		subject: "Marine energy news from Nordhav",
		body: "Hi Anna,\n\nwe are proud to say that we have won the Leith tender. We built the team in a year, and we now have 40 people in " +
			"marine energy. I think we are the best in the field. Have a look at your leisure.\n\nOle",
		want: []string{NoValueStatement},
	},
	{
		name: "all bold", to: jose,
		subject: "Spark lead wanted in Lisbon",
		body:    "Hi José,\n\n**you would lead the Spark team, choose the tools and hire two people of your own choice.** Your pay is set by you.\n\nKim",
		want:    []string{HeavyFormatting},
	},
	{
		name: "a few bold words", to: jose,
		subject: "Spark lead wanted in Lisbon",
		body:    "Hi José,\n\nyou would lead the **Spark team**, choose the tools and hire two people of your own choice. Your pay is set by *you*.\n\nKim",
	},
	{
		name: "met at an event", to: anna,
		subject: "The salt data you asked for",
		body:    "Hi Anna,\n\nit was great meeting you at the Ocean Energy event in Porto last week. You asked how your blades would do in warm water, so here are two charts for you.\n\nBen",
		want:    []string{FollowUp},
	},
	{
		name: "after a call", to: will,
		subject: "Diesel numbers for your board",
		body:    "Hi Will,\n\nthanks for our call on Tuesday. Here are the rail numbers that you asked for. Your board will want page two. What else do you need?\n\nSam",
		want:    []string{FollowUp},
	},
	{
		name: "we spoke", to: priya,
		subject: "Labels for your returns",
		body:    "Hi Priya,\n\nwe spoke on Friday about the returns at Leafcart. You wanted the price for your labels: it is 4 cents each. Does that suit you?\n\nAlex",
		want:    []string{FollowUp},
	},
	{
		name: "event ahead", to: anna,
		subject: "A seat for you in Leith",
		body:    "Hi Anna,\n\nthere is a workshop on blade corrosion in Leith on 3 May, and you would meet your Dutch peers. Do you want a seat? It is free for you.\n\nBen",
		want:    []string{FollowUp},
	},
	{
		name: "call me", to: jose,
		subject: "Spark lead wanted in Lisbon",
		body:    "Hi José,\n\nyou would lead the Spark team and meet your own goals. Call me if you like, or let me call you. Your pay meets your needs.\n\nKim",
	},
	{
		name: "hard sell", to: will,
		subject: "LAST CHANCE",
		body:    "HELLO!\n\n**WE HAVE THE BEST DEAL OF THE YEAR. WE SELL FAST AND WE SELL CHEAP. I CAN HOLD IT FOR ONE DAY ONLY.**\n\nWe are waiting.",
		want:    []string{NoName, NoSpecifics, WeakSubject, NoValueStatement, HeavyFormatting},
	},
	{
		name: "one line", to: priya,
		subject: "Quick question",
		body:    "Hi Priya, how are you?",
		want:    []string{NoSpecifics, WeakSubject, WeakPreview},
	},
	{
		name: "agency", to: jose, common: []string{"Mia Chen"},
		subject: "Opportunity",
		body: "Hi,\n\nI'm Robert, a senior consultant at Peak Talent. We're the fastest growing agency in the south of Europe and we work with all " +
			"of the big names. I've got a role that I think is a perfect fit. I'd like to set up a quick call.\n\nRobert",
		want: []string{NoName, NoSpecifics, WeakSubject, WeakPreview, MentionCommonConnection, NoValueStatement},
	},
	{
		name: "student asks", to: anna,
		subject: "One question about corrosion testing",
		body: "Dear Ms Lindqvist,\n\nyour paper on blades is the reason I chose my thesis. You write that salt fog is not enough. Which test " +
			"would you run first if you had only one month?\n\nThank you for your time\nNoor",
	},
	{
		name: "German, good", to: marcus, language: "de",
		subject: "Ihr Vortrag über Kubernetes im Hafen",
		body: "Guten Tag Herr Weber,\n\nIhr Vortrag über Kubernetes hat mir gezeigt, wie Sie bei Hafenlogik die Kräne anbinden. Wir stehen in " +
			"Bremen vor derselben Aufgabe. Würden Sie mir verraten, womit Sie angefangen haben?\n\nViele Grüße\nJana Koch",
	},
	{
		name: "German, impersonal", to: marcus, language: "de",
		subject: "Spannende Position",
		body: "Hallo,\n\nich bin Personalberaterin und habe eine tolle Stelle für einen unserer Kunden. Wir freuen uns auf einen Anruf nach dem " +
			"Meeting oder beim Event. Wir sind ein wachsendes Team und wir zahlen gut.\n\nJana Koch",
		want: []string{NoName, NoSpecifics, WeakSubject},
	},
	{
		name: "German, wall of text", to: marcus, language: "de",
		subject: "Softwareentwicklung für die Häfen der Nordsee",
		body: "Sehr geehrter Herr Dr. Weber,\n\nals Leiter der Softwareentwicklung kennen Sie die Schwierigkeiten, die entstehen, wenn jede " +
			"Reederei ihre eigenen Schnittstellen mitbringt und niemand die Daten prüft, bevor sie im Lager ankommen, weshalb wir seit drei " +
			"Jahren daran arbeiten, die Meldungen aller Beteiligten schon auf See zusammenzuführen und so aufzubereiten, dass die Disposition am " +
			"Kai nicht mehr raten muss, welcher Container zuerst kommt, sondern es eine Stunde vorher weiß und die Kräne so einteilen kann, dass " +
			"kein Lastwagen länger als nötig wartet, was am Ende allen hilft und obendrein die Luft in der Stadt ein wenig sauberer macht.",
		want: []string{LongParagraph},
	},
	{
		name: "French, good", to: claire, language: "fr",
		subject: "Votre campagne pour Lumière Santé",
		body: "Bonjour Claire,\n\nvotre campagne sur le sommeil m'a beaucoup plu : vous parlez aux patients comme à des adultes. Accepteriez-vous " +
			"d'en dire deux mots à nos étudiants ? Nous pouvons venir à vous, le jour qui vous convient.\n\nBien à vous\nHugo Martin",
	},
	{
		name: "French, impersonal", to: claire, language: "fr",
		subject: "Bonjour",
		body: "Bonjour Madame,\n\nje me présente : je suis consultant et nous aidons les entreprises à grandir. Nous avons une offre à ne pas " +
			"manquer. Nous organisons un meeting mardi. Je reste à votre disposition.\n\nHugo Martin",
		want: []string{NoName, NoSpecifics, WeakSubject},
	},
	{
		name: "French, all bold", to: claire, language: "fr",
		subject: "Une idée pour votre marque",
		body:    "Bonjour Claire,\n\n**notre étude montre comment les marques de e-santé gagnent la confiance de leurs clients en moins d'un an.** La voulez-vous ?\n\nHugo",
		want:    []string{HeavyFormatting},
	},
	{
		name: "Spanish, good", to: lucia, language: "es",
		subject: "Cítricos sin intermediarios para usted",
		body: "Hola Lucía:\n\nhe visto que Frutas del Sur compra limones en tres provincias. Nuestra cooperativa los recoge a diez kilómetros de su " +
			"almacén. ¿Le gustaría probar una caja esta semana, sin compromiso?\n\nUn saludo\nPablo Ruiz",
	},
	{
		name: "Spanish, connection left unsaid", to: lucia, language: "es", common: []string{"Marta Gil"},
		subject: "Cítricos sin intermediarios para usted",
		body: "Estimada señora Fernandez:\n\nsu empresa compra limones en tres provincias y la logística le sale cara. Nosotros los llevamos hasta su " +
			"puerta. ¿Hablamos?\n\nPablo Ruiz",
		want: []string{MentionCommonConnection},
	},
	{
		name: "Spanish, impersonal", to: lucia, language: "es",
		subject: "Oferta única",
		body:    "Hola, soy Pablo y le escribo porque tenemos una oferta que no puede perder. Somos los mejores y nos gusta lo que hacemos. Llámenos.",
		want:    []string{NoName, NoSpecifics, WeakSubject},
	},
	{
		name: "Japanese, good", to: tanaka, language: "ja",
		subject: "潮力発電のご講演について",
		body:    "田中様\n\n先日のご講演を拝聴し、潮力発電の翼の設計に大変感銘を受けました。弊社の水槽で一度お試しになりませんか。費用は不要です。\n\n鈴木花子",
	},
	{
		name: "Japanese, impersonal", to: tanaka, language: "ja",
		subject: "ご挨拶",
		body:    "はじめまして。弊社は人材紹介を行っております。ぜひ一度お話しさせていただければ幸いです。よろしくお願いいたします。",
		want:    []string{NoName, NoSpecifics, WeakSubject},
	},
	{
		name: "Japanese, long", to: tanaka, language: "ja",
		subject: "潮力発電の共同研究のご提案",
		body:    "田中様\n\n" + strings.Repeat("弊社は海流を利用した発電装置の共同研究を進めており、設計と解析の両面でお力をお借りしたいと考えております。", 4) + "\n\n鈴木花子",
		want:    []string{LongParagraph, Over100Words},
	},
	{
		name: "Italian, good", to: anna, language: "it",
		subject: "La sua conferenza sulle turbine",
		body: "Gentile Anna,\n\nho ascoltato la sua conferenza sulle pale delle turbine e vorrei farle una domanda: che cosa avete usato contro il sale? " +
			"Le mando volentieri i nostri dati in cambio.\n\nGiulia Conti",
	},
	{
		name: "Portuguese, impersonal", to: priya, language: "pt",
		subject: "Uma proposta para a sua empresa",
		body:    "Olá,\n\nsomos uma agência e temos uma proposta para a sua empresa. Nós fazemos tudo e nós cuidamos de tudo. Podemos marcar um call ou um meeting?\n\nRui",
		want:    []string{NoName, NoSpecifics},
	},
	{
		name: "Dutch, good", to: anna, language: "nl",
		subject: "Een vraag over uw turbinebladen",
		body:    "Beste Anna,\n\nik las uw artikel over zout en turbines en ik wil graag weten hoe u de bladen test. Wij hebben in Delft een tank die u mag gebruiken.\n\nJoost",
	},
	{
		name: "Swedish, good", to: anna, language: "sv",
		subject: "Dina blad i vår tank",
		body:    "Hej Anna,\n\njag läste om Tidal Works och era blad. Vi har en tank i Göteborg som står tom i maj. Skulle du vilja använda den? Det kostar dig inget.\n\nIda",
	},
	{
		name: "Polish, impersonal", to: priya, language: "pl",
		subject: "Oferta współpracy dla firm",
		body:    "Dzień dobry,\n\njesteśmy firmą z Krakowa i mamy ofertę, która może Panią zainteresować. To nie jest spam. Zapraszamy na event i meeting.\n\nJan",
		want:    []string{NoName, NoSpecifics},
	},
}

func TestCorpus(t *testing.T) {
	if len(corpus) < 40 {
		t.Errorf("the corpus has %d InMails", len(corpus))
	}
	given := map[string]int{}
	for _, in := range corpus {
		t.Run(in.name, func(t *testing.T) {
			m := Message{in.subject, richtext.Parse(in.body), in.category, in.to, in.common}
			var codes []string
			for _, hit := range Advise(m, 50) {
				codes = append(codes, hit.Code)
				given[hit.Code]++
				checkDetail(t, m, hit)
				if !slices.Contains(Codes(), hit.Code) {
					t.Errorf("%s is not among the codes", hit.Code)
				}
			}
			if diff := cmp.Diff(in.want, codes); diff != "" {
				t.Errorf("advice (-want +got):\n%s\n%+v", diff, Advise(m, 50))
			}
			if got, want := english(tokenize(m.Body.Text())), in.language == ""; got != want {
				t.Errorf("english = %v, want %v", got, want)
			}
		})
	}
	for _, code := range codes {
		if given[code] < 2 && code != VaryText { // which lies in the letters before
			t.Errorf("the corpus has %d InMails with %s, want two or more", given[code], code)
		}
	}
}

// checkDetail checks what every detail must be: one or two short sentences that quote something.
func checkDetail(t *testing.T, m Message, hit Hit) {
	t.Helper()
	if !strings.HasSuffix(hit.Detail, ".") || len(hit.Detail) > 260 || strings.ContainsAny(hit.Detail, "\n\t") {
		t.Errorf("%s: %q", hit.Code, hit.Detail)
	}
	_, quote, ok := strings.Cut(hit.Detail, "“")
	quote, _, closed := strings.Cut(quote, "”")
	if !ok || !closed || quote == "" || len(strings.Fields(quote)) > 6 {
		t.Errorf("%s quotes no words, or too many: %q", hit.Code, hit.Detail)
	}
	about := strings.Join(append([]string{m.Subject, m.Body.Text(), m.Recipient.Name, m.Recipient.Headline, m.Recipient.Company},
		m.CommonConnections...), " ")
	about = strings.Join(strings.Fields(about), " ")
	if !strings.Contains(about, strings.TrimSuffix(quote, "…")) {
		t.Errorf("%s quotes %q, which nobody wrote", hit.Code, quote)
	}
	for _, skill := range m.Recipient.Skills {
		if strings.Contains(hit.Detail, skill) && !strings.Contains(about, skill) {
			t.Errorf("%s names the skill %q, which other members may not see: %q", hit.Code, skill, hit.Detail)
		}
	}
}
