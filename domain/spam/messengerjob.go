package spam

import "inmail/domain/hosts"

// The points of work that is offered through a messenger. Each part alone is common among honest people: a
// recruiter has part-time posts, a freelancer names a price for a day, a salesman gives a WhatsApp number.
const (
	messengerJobPoints = 10 // the work, the pay and the ease, and a messenger to answer by
	messengerPayPoints = 6  // the pay and one of the others, and a messenger
	messengerFewPoints = 3  // the work and the ease, and a messenger
)

// A jobPart is a part of the message that offers easy work by the day and asks to answer by messenger.
type jobPart int

const (
	jobWork jobPart = iota
	jobPay
	jobEase
	jobMessenger
	jobParts
)

// jobPhrases are the phrases of each part, written as those of classes are.
var jobPhrases = indexJobPhrases([jobParts][]string{
	jobWork: {
		"part time", "parttime", "online job", "online work", "online assistant", "online assistants", "remote job", "side job",
		"work from home", "nebenjob", "nebenverdienst", "heimarbeit", "teilzeitjob", "temps partiel", "travail a domicile",
		"travail en ligne", "medio tiempo", "tiempo parcial", "trabajo en linea", "trabajo online", "meio periodo",
		"tempo parcial", "trabalho online", "renda extra", "兼 职", "兼 職", "副 业", "副 業", "دوام جزئي", "بدوام جزئي", "عمل جزئي", "عمل من المنزل",
		"وظيفة عن بعد", "وظيفة اونلاين",
	},
	jobPay: {
		"# a day", "# per day", "# daily", "# each day", "# every day", "# * a day", "# * per day", "# * daily", "# * each day",
		"# * every day", "daily income of", "daily salary", "daily wage", "paid daily", "paid the same day", "# am tag",
		"# pro tag", "# taglich", "# * am tag", "# * pro tag", "# * taglich", "taglich # bis", "taglich #", "# par jour",
		"# * par jour", "payes chaque jour", "# al dia", "# por dia", "# diarios", "# * al dia", "# * por dia", "# * diarios",
		"pago diario", "pagamento diario", "日 结", "日 結", "日 薪", "日 入", "每 天 #", "每 日 #", "一 天 #", "# 元 一 天", "# 元 每 天",
		"# 一 天", "日 赚", "日 賺", "# يوميا", "# * يوميا", "# في اليوم", "# * في اليوم", "يوميا #", "دخل يومي", "راتب يومي",
	},
	jobEase: {
		"no experience", "minutes a day", "minutes per day", "hours a day", "hours per day", "from home", "at home", "your phone",
		"simple task", "simple tasks", "easy task", "easy tasks", "free time", "spare time", "ohne erfahrung", "keine erfahrung",
		"keine vorkenntnisse", "von zu hause", "freizeit", "ihrem handy", "deinem handy", "sans experience", "chez vous",
		"temps libre", "votre telephone", "sin experiencia", "desde casa", "tiempo libre", "tu movil", "su celular",
		"tu celular", "sem experiencia", "em casa", "de casa", "tempo livre", "seu celular", "无 需 经 验", "無 需 經 驗", "不 需 要 经 验",
		"在 家", "手 机 操 作", "手 机 即 可", "一 部 手 机", "空 闲 时 间", "空 閒 時 間", "轻 松", "輕 鬆", "简 单 任 务", "بدون خبرة", "لا يشترط الخبرة",
		"من المنزل", "من البيت", "من منزلك", "هاتفك",
	},
	jobMessenger: {
		"whatsapp", "telegram", "wechat", "viber", "zalo", "line id", "微 信", "wei xin", "电 报", "電 報", "واتساب", "واتس اب", "الواتس",
		"تليجرام", "تيليجرام", "تلغرام", "تلجرام",
	},
})

// jobPhrase is a phrase of one part.
type jobPhrase struct {
	part jobPart
	*phrase
}

// indexJobPhrases returns the phrases by their first word, which is "#" for a number.
func indexJobPhrases(parts [jobParts][]string) map[string][]jobPhrase {
	byWord := map[string][]jobPhrase{}
	for part, texts := range parts {
		for _, text := range texts {
			p := newPhrase(0, hint, text)
			byWord[p.words[0]] = append(byWord[p.words[0]], jobPhrase{jobPart(part), p})
		}
	}
	return byWord
}

// messengerHosts are the hosts at which a link opens a conversation in a messenger.
var messengerHosts = set("wa.me", "t.me", "telegram.me", "telegram.dog", "api.whatsapp.com", "chat.whatsapp.com", "line.me", "signal.me",
	"zalo.me", "u.wechat.com")

// messengerJob returns the points of work that is offered through a messenger; 0: it is none.
func messengerJob(words []string, links []hosts.Address) float64 {
	var found [jobParts]bool
	for _, l := range links {
		found[jobMessenger] = found[jobMessenger] || messengerHosts[l.Host]
	}
	look := func(phrases []jobPhrase, text []string) {
		for _, p := range phrases {
			if !found[p.part] && p.matches(text) {
				found[p.part] = true
			}
		}
	}
	for at, w := range words {
		look(jobPhrases[w], words[at:])
		if digit(w[0]) {
			look(jobPhrases["#"], words[at:])
		}
	}
	switch {
	case !found[jobMessenger]:
		return 0
	case found[jobWork] && found[jobPay] && found[jobEase]:
		return messengerJobPoints
	case found[jobPay] && (found[jobWork] || found[jobEase]):
		return messengerPayPoints
	case found[jobWork] && found[jobEase]:
		return messengerFewPoints
	}
	return 0
}
