package spam

import (
	"slices"
	"strings"
)

// A class is a kind of mass mail or fraud with the phrases that are typical of it.
//
// A pitch is a phrase of such mail that people who write to one person hardly use; a hint is one that they
// use now and then. A topic is only the subject matter: casinos have recruiters and lenders have sales
// people, who write about their trade in good faith.
//
// Phrases are words as Fold leaves them. # stands for a number, * for any one word, and #p for a number
// followed by p (150p).
type class struct {
	code               string
	says               string // the reason in plain words, as the sender reads it
	pitch, hint, topic []string
}

// The points of phrases. A pitch alone does not refuse: it takes a second signal, or a pitch of another class
// (refusePoints).
const (
	pitchPoints     = 6
	nextPitchPoints = 2
	classPoints     = 12 // at most for one class
	hintPoints      = 3
	nextHintPoints  = 1
	hintsPoints     = 5 // at most for the hints of a class without a pitch
	topicPoints     = 1
	topicsPoints    = 2 // at most for a class with topics only
	nudgePoints     = 2 // for the first phrase of a nudge
	nextNudgePoints = 1
	nudgesPoints    = 3 // at most for one nudge
	maskedPoints    = 4 // for a phrase masked to evade a list; twice that for two or more
)

// classes are the phrases of a fresh installation, from what is publicly known of mass mail and fraud.
// Phrases that people use in good faith to sell or to recruit (free for a call, 20 % more pipeline, urgent
// hiring need, a budget of €50k) do not belong here.
var classes = []class{
	{code: "prize", says: "promises a prize, a draw or a gift",
		pitch: []string{
			"todays lucky winner", "selected for an exclusive", "gift card winner", "win an iphone", "win a brand new",
			"survey and win", "complete a short survey", "won a prize", "won a cash", "you won a", "your winnings",
			"you have won", "youve won", "u have won", "you won a prize", "you won #", "won a guaranteed",
			"you are a winner", "you are the winner",
			"u are a winner", "you are winner", "lucky winner", "selected winner", "selected as a winner", "our winner",
			"claim your prize", "claim your reward", "claim your gift", "claim your winnings",
			"claim your free", "claim your #", "claim your cash", "claim your bonus", "claim ur", "claim it now",
			"to claim call", "to claim txt", "to claim text", "to claim your", "2 claim", "claim code", "claim now",
			"your prize", "prize guaranteed", "guaranteed prize", "cash prize", "bonus prize", "caller prize",
			"prize draw", "weekly draw", "todays draw", "lucky draw",
			"cash award", "have been awarded a", "have been awarded #", "ur awarded", "u are awarded",
			"you are awarded", "awarded either",
			"lottery winner", "lottery winners", "lottery prize", "won the lottery", "won the lotto",
			"national lottery draw", "online lottery", "sweepstakes winner", "jackpot winner", "win the jackpot",
			"free entry", "win a free", "win a #", "win a prize", "win cash", "ur chance to win", "reply to win",
			"bonus points to claim", "unredeemed bonus", "unredeemed points", "specially selected to receive",
			"specially selected #", "specially selected to win", "selected 2 receive",
			"holiday voucher",
			"sie haben gewonnen", "haben sie gewonnen", "ihr gewinn", "vous avez gagne", "votre gain", "has ganado un",
			"ha ganado un", "has sido seleccionado", "ganador del", "voce ganhou", "foi sorteado", "hai vinto",
			"u heeft gewonnen", "je hebt gewonnen",
			"вы выиграли", "ваш выигрыш",
			"恭 喜 您 中 奖", "恭 喜 你 中 奖", "恭 喜 您 获 得", "恭 喜 你 获 得", "您 已 中 奖", "你 中 奖 了", "您 中 奖 了", "中 奖 用 户", "中 奖 号 码", "幸 运 用 户", "幸 运 号 码",
			"被 抽 中", "被 选 为 幸 运", "领 取 奖 品", "领 取 奖 金", "领 取 大 奖", "领 取 您 的 奖", "中 大 奖", "恭 喜 您 中 獎", "恭 喜 你 中 獎", "恭 喜 您 獲 得", "您 已 中 獎", "您 中 獎 了", "中 獎 用 戶",
			"幸 運 用 戶", "被 抽 中 為", "領 取 獎 品", "領 取 獎 金", "領 取 大 獎",
			"لقد ربحت", "لقد فزت", "ربحت جائزة", "فزت بجائزة", "مبروك ربحت", "مبروك فزت", "جائزة نقدية", "استلام جائزتك", "استلم جائزتك", "لاستلام الجائزة",
			"لاستلام جائزتك", "بجائزتك", "جائزتك", "رقمك فاز", "الفائز المحظوظ", "تم اختيارك كفائز", "تم اختيار رقمك", "لقد تم اختيارك للفوز",
		},
		hint: []string{
			"have won #", "win up to", "have won a", "chance to win a", "chance to win #", "your chance to win",
			"selected to receive a", "selected to receive #", "chosen to receive a", "chosen to receive #",
			"has been awarded a", "was awarded a", "are awarded a", "monthly draw", "free voucher", "free vouchers",
			"shopping voucher", "free gift", "中 奖", "中 獎", "特 等 奖", "奖 品 等 你", "红 包 领 取", "领 取 红 包", "سحب على جوائز", "هدية مجانية", "فرصة للفوز", "ربح جائزة",
		},
		topic: []string{
			"lottery", "lotto", "sweepstake", "sweepstakes", "jackpot", "gift voucher", "gift vouchers", "gift card",
			"gift cards", "prize", "gewinnspiel",
		}},

	{code: "paid_number", says: "asks for calls or texts that cost money",
		pitch: []string{
			"text * to #", "txt * to #", "sms * to #", "text the word", "txt the word", "reply stop", "text stop",
			"send stop", "txt stop", "stop to #", "stop to end", "stop texts",
			"p per", "p msg", "p min", "#ppm", "#p per", "#p txt", "#p wk", "#p week", "#p day", "#p text", "#p tone",
			"must be 18", "must be over 18", "18 years or over", "#p msg", "#p min", "premium rate", "std txt",
			"std text",
			"from land line", "from landlines", "custcare", "cust care", "t cs apply", "t c apply", "tcs apply",
			"t s c s", "ts cs", "free msg", "freemsg", "free message", "live operator", "2optout", "chatline",
			"txt back to", "ur mob", "your mob",
		},
		hint: []string{
			"send * to #", "per msg", "txting", "txt to", "national rate", "unsub", "from landline", "from a landline",
			"from a land line", "calls cost", "call cost", "chat line",
		},
		topic: []string{
			"ringtone", "ringtones", "polyphonic", "landline", "land line", "freephone", "txt", "shortcode",
		}},

	{code: "advance_fee", says: "speaks of a stranger's money, as advance-fee fraud does",
		pitch: []string{
			"i have an inheritance", "inheritance of #", "compensation office", "courier fee", "delivery fee of",
			"your fund", "fund worth", "confidential business proposal", "mutual benefit to both", "my late husbands",
			"assist me to transfer", "help me transfer", "claim the money", "claim the funds", "trapped fund",
			"unclaimed funds", "unclaimed fund", "unclaimed inheritance", "unclaimed deposit", "unclaimed estate",
			"inheritance fund", "inheritance funds", "your inheritance", "deceased client", "deceased customer",
			"my late husband", "my late father",
			"million dollars for", "# million us dollars", "# million united states dollars", "fund transfer of",
			"release fee", "upfront fee", "your atm card", "compensation fund", "compensation payment of",
			"foreign partner", "foreign beneficiary", "confidential transaction",
			"transfer this fund", "transfer these funds", "transfer the sum", "dormant account", "abandoned account",
			"trunk box", "consignment box", "diplomatic courier", "donate to you", "donation to you", "will be donated",
			"received a donation",
			"stand as the beneficiary", "named beneficiary", "share it 50",
			"erbschaft von", "heritage de", "su herencia", "una herencia", "uma heranca", "наследство",
		},
		hint: []string{
			"kindly reply", "kindly send", "kindly provide", "your personal details", "personal information to",
			"million euros to", "god bless you", "next of kin", "western union", "moneygram", "money gram",
			"transfer fee", "bank draft", "processing fee of", "sum of #", "transfer the funds", "transfer the money",
			"your percentage", "late husband", "late husbands", "late client", "donated to you", "wish to donate",
			"want to donate", "decided to donate", "as the beneficiary",
		},
		topic: []string{
			"inheritance", "barrister", "beneficiary", "processing fee", "million dollars", "million usd",
			"million pounds", "million euros",
		}},

	{code: "easy_money", says: "promises easy money",
		pitch: []string{
			"on autopilot", "a day on autopilot", "no work needed", "cash every day", "money every day",
			"unlimited cash", "unlimited money", "get rich quick", "rich quick", "# daily from", "ganhe # por",
			"ganhe r # por", "gana # por", "gane # por",
			"make money online", "make money fast", "make money from", "make easy money", "making money online",
			"making # a", "earn money online", "earn money from", "earn # daily", "earn between #", "earn up to # a",
			"earn up to # per", "earn up to # daily", "earning # daily", "earn from home", "earn cash",
			"easy money", "easy cash", "fast cash", "free cash", "instant cash", "quick cash", "quit your job",
			"quit your 9", "fire your boss",
			"guaranteed profit", "guaranteed profits", "risk free profit", "risk free income", "double your money",
			"double your income", "double your investment", "triple your money", "triple your income", "daily profit",
			"daily profits", "daily payout", "daily payouts", "weekly payout", "weekly payouts",
			"from home and earn", "working from home and earn", "money from home", "ground floor opportunity",
			"liking videos", "like youtube videos", "liking youtube videos", "data entry from home",
			"life changing opportunity", "turn # into #", "# per day from", "# a day from", "# a week from home",
			"# per week from home",
			"schnelles geld", "geld verdienen von zu hause", "verdienen sie #", "verdiene #", "gagner de l argent",
			"gagnez #", "gagnez de l argent", "gana dinero", "ganar dinero desde", "gane #", "gana #", "ganhe dinheiro",
			"ganhe #", "guadagna #", "guadagna da casa", "dinero desde casa", "verdien #", "verdien thuis",
			"пассивный доход", "заработок в интернете", "заработок без вложений",
		},
		hint: []string{
			"earn up to #", "no experience", "part time # per", "guaranteed job", "make money with",
			"money with crypto", "no experience needed", "no experience required", "no experience necessary",
			"no skills needed", "no skills required", "no investment required", "passive income", "second income",
			"residual income", "financial freedom", "financially free", "be your own boss", "extra income",
			"extra cash", "earn extra", "earn # a", "earn # per", "earn # every", "earn # weekly", "earn over #",
			"earning # a", "earning # per", "make # a", "make # per", "network marketing", "multi level marketing",
			"home based business", "comfort of your home", "comfort of your own home", "paid daily", "free money",
			"daily income", "paid surveys", "become a millionaire", "work at home and", "fast money", "quick money",
			"guaranteed income", "get rich",
		},
		topic: []string{
			"work from home", "working from home", "make money", "earn money", "mlm", "side hustle", "millionaire",
			"commission only",
		}},

	{code: "investment", says: "sells an investment that cannot lose",
		pitch: []string{
			"forex robot", "trading robot", "on your investment guaranteed", "returns guaranteed", "returns in just #",
			"return in just #", "guaranteed daily", "roi guaranteed", "crypto giveaway", "bitcoin giveaway",
			"double your deposit",
			"bitcoin investment", "forex signals", "crypto signals", "binary trading", "auto trading bot",
			"crypto trading bot", "return on investment guaranteed", "roi daily", "roi weekly", "daily roi",
			"weekly roi", "# daily return", "# daily returns", "# weekly returns", "returns in # days",
			"returns in # hours",
			"recover your lost", "recover your stolen", "lost your money to", "your seed phrase",
			"your recovery phrase", "free airdrop", "claim airdrop", "airdrop claim", "free tokens", "free bitcoin",
			"double your bitcoin", "double your crypto", "double your btc", "send btc", "hot stock", "next 100x",
			"100x gem", "connect your wallet", "invest now", "investment opportunity with", "risk free investment",
		},
		hint: []string{
			"investment opportunity", "exclusive investment", "# returns", "# roi", "risk free", "high returns",
			"fund manager on", "guaranteed return", "guaranteed returns", "guaranteed roi", "invest in bitcoin",
			"investing in bitcoin", "crypto investment", "cryptocurrency investment", "minimum deposit of",
			"minimum investment of", "invest with us", "invest # and", "stock tip", "stock tips", "mining pool",
			"cloud mining", "trading signals", "recover lost", "binary options", "wallet recovery", "penny stock",
		},
		topic: []string{
			"bitcoin", "btc", "usdt", "airdrop", "presale", "forex", "forex trading", "investment platform",
			"cryptocurrency",
		}},

	{code: "credit", says: "sells credit without questions",
		pitch: []string{
			"urgent loan", "loan offer", "we give loans", "we give out loans", "give out loans",
			"we offer all kinds of loans", "loan of any amount", "loan today", "loans for any purpose",
			"guaranteed approval", "approval guaranteed", "you are pre approved", "youre pre approved",
			"been pre approved", "fix your credit", "repair your credit", "consolidate your debt",
			"sofortkredit", "kredit ohne", "ohne schufa", "offre de pret", "pret entre particuliers", "credit rapide",
			"prestamo urgente", "prestamos rapidos", "ofrecemos prestamos", "emprestimo rapido", "prestito veloce",
			"срочный кредит",
		},
		hint: []string{
			"need a loan", "get a loan", "apply for a loan", "we offer loans", "offer loans", "interest rate of #",
			"# interest rate", "without collateral", "no collateral", "no credit check", "no credit checks",
			"bad credit", "poor credit", "payday loan", "payday loans", "cash loan", "cash loans", "debt relief",
			"pay off your debts", "clear your debts", "out of debt", "lower your interest", "quick loan",
			"instant loan",
		},
		topic: []string{"loan", "loans", "personal loan", "refinance", "payday", "pre approved", "credit score"}},

	{code: "phishing", says: "asks for access or personal data, as phishing does",
		pitch: []string{
			"account is limited", "account is restricted", "account access has been", "account will be permanently",
			"click here to verify", "click below to verify", "verify now", "send your bank details",
			"send us your bank", "provide your bank", "linkedin account will be", "linkedin account has been",
			"security alert your", "wallet will be suspended",
			"verify your account", "verify your information", "confirm your account", "confirm your password",
			"confirm your bank", "confirm your card", "validate your account", "validate your mailbox",
			"update your account", "update your payment", "update your billing", "reactivate your account",
			"account will be suspended", "account will be closed", "account will be deleted",
			"account will be terminated", "account will be deactivated", "account will be blocked",
			"account will be limited",
			"account has been suspended", "account is suspended", "account was suspended", "account has been limited",
			"account has been locked", "account is locked", "account has been blocked", "account has been restricted",
			"account suspension", "unusual sign in", "suspicious activity on your", "unauthorized access to your",
			"your login credentials", "your login details", "your bank details", "your bank account",
			"your bank information", "your card details", "your social security", "your ssn", "enter your password",
			"send your password", "password will expire", "password expires", "your mailbox is", "avoid suspension",
			"avoid closure", "avoid deactivation", "restore access", "restore your account", "customs fee",
			"konto gesperrt", "konto wurde gesperrt", "konto wird gesperrt", "konto bestatigen", "ihre bankdaten",
			"votre compte a ete", "verifiez votre compte", "vos coordonnees bancaires", "cuenta ha sido",
			"verifique su cuenta", "sus datos bancarios", "sua conta foi", "confirme seus dados", "il tuo conto",
			"il suo account e", "uw rekening", "ваш аккаунт заблокирован", "подтвердите ваш аккаунт",
		},
		hint: []string{
			"confirm your details", "verify your details", "verify your email", "verify your identity",
			"confirm your identity", "unusual activity", "unusual login", "suspicious login", "verification code",
			"one time code", "tax refund", "credit card details", "credit card number", "copy of your passport",
			"bank account details", "account has been credited",
		},
		topic: []string{"phishing", "credentials", "account statement", "undelivered"}},

	{code: "adult", says: "advertises adult content or dating",
		pitch: []string{
			"russian women", "ukrainian women", "beautiful women", "sexy russian", "russian girls", "beautiful girls",
			"women tonight", "girls tonight",
			"horny", "hot girls", "hot women", "hot babes", "hot singles", "sexy girls", "sexy singles", "sexy women",
			"sexy photos", "sexy pics", "sex chat", "sex with", "want sex", "look sex", "free sex", "live sex",
			"gay chat", "sex cams", "nude pics", "nude photos", "my nudes", "naked pics", "naked photos", "cam girls",
			"webcam show", "live cam", "bored housewives", "local singles", "meet singles", "singles in your area",
			"single women in", "adult dating", "dating chat", "chat n date", "hook up with", "no strings sex",
			"sugar daddy", "sugar mummy", "girls waiting", "girls are waiting", "ladies waiting", "someone fancies you",
			"who fancies you", "fancies u",
			"xxx pics", "xxx videos", "xxx movies", "meine nacktbilder", "sexy madchen", "femmes chaudes",
			"mujeres calientes",
		},
		hint: []string{
			"dating service", "sugar baby", "secret admirer", "find out who", "hookup", "hookups", "escort service",
			"single ladies",
		},
		topic: []string{"sex", "sexy", "porn", "nude", "erotic", "escort", "dating", "webcam", "adult"}},

	{code: "pills", says: "sells remedies",
		pitch: []string{
			"cheap meds", "meds online", "cheap pills", "buy cheap pills",
			"buy viagra", "cheap viagra", "viagra", "cialis", "levitra", "buy xanax", "buy tramadol",
			"lose weight fast", "lose weight without", "lose weight in", "weight loss pills", "diet pill", "diet pills",
			"miracle pill", "miracle supplement", "male enhancement", "testosterone booster", "canadian pharmacy",
			"cbd gummies", "keto gummies", "doctors hate", "cures diabetes", "cure for diabetes", "herbal cure",
			"abnehmen ohne", "kilo abnehmen", "perdre du poids sans", "perdez # kilos", "baje de peso",
			"bajar de peso sin", "emagreca",
		},
		hint: []string{
			"penis", "erectile", "online pharmacy", "fat burner", "burn fat", "burns fat", "belly fat", "herbal remedy",
			"lose # kg", "lose # pounds", "lose # lbs", "no prescription", "without prescription",
			"without a prescription", "weight loss supplement", "miracle cure",
		},
		topic: []string{"weight loss", "lose weight", "supplement", "supplements", "pharmacy", "pills", "cbd"}},

	{code: "gambling", says: "advertises gambling",
		pitch: []string{
			"casino bonus", "fixed match", "fixed matches", "sure bet", "sure bets", "sure odds", "sure win",
			"guaranteed wins", "play and win", "spin and win", "win at online", "join our casino", "best online casino",
			"freispiele", "tours gratuits", "giros gratis", "apuestas seguras", "rodadas gratis",
		},
		hint: []string{
			"betting tips", "welcome bonus", "deposit bonus", "no deposit bonus", "free bet", "free bets", "free spins",
			"register and get", "play now and", "bet now",
		},
		topic: []string{
			"casino", "online casino", "slots", "slot machine", "poker", "roulette", "betting", "sportsbook",
		}},

	{code: "fake_goods", says: "sells forged or bought things",
		pitch: []string{
			"buy instagram followers", "buy youtube", "followers cheap", "instagram followers cheap",
			"buy tiktok followers",
			"replica watches", "replica watch", "replica bags", "replica rolex", "replica handbags", "rolex replica",
			"designer replica", "aaa replica", "cheap rolex", "fake documents", "real and fake", "fake passport",
			"fake passports", "passports for sale", "license for sale", "licence for sale", "documents for sale",
			"registered passport", "buy followers", "# real followers", "real followers", "followers and likes",
			"instant followers", "buy likes", "buy reviews", "positive google reviews", "sell google reviews",
			"# google reviews", "5 star reviews for", "without exam", "without exams", "without the exam",
			"without taking the exam", "buy a degree", "university degree in # weeks", "degree without",
			"diploma without", "clone cards", "cloned cards", "cloned atm", "accounts for sale",
			"verified accounts for", "# million emails", "email leads for", "cheap smm", "smm panel",
		},
		hint: []string{
			"# followers for", "# email addresses", "# verified emails", "# verified email", "attendee list",
			"attendees list", "user list of", "users list of", "without attending", "email lists for",
			"targeted email list", "verified email list", "certificate without",
		},
		topic: []string{"replica", "replicas", "rolex", "louis vuitton", "followers", "email list", "email lists"}},

	{code: "seo", says: "is the standard text of mass mail about search rankings",
		pitch: []string{
			"first page of google", "page 1 of google", "page one of google", "1 on google", "rank # on google",
			"guest posting service", "publish a guest post", "dofollow backlink", "dofollow backlinks", "# backlinks",
			"high quality backlinks", "link insertion", "seo package", "seo packages", "affordable seo",
			"guaranteed ranking", "guaranteed rankings", "guaranteed seo", "errors on your website",
			"errors in your website", "redesign your website at", "website visitors for",
		},
		hint: []string{
			"targeted visitors", "# visitors", "increase your website traffic", "increase website traffic",
			"boost your ranking", "sponsored post on", "sponsored article on", "high da", "quality backlinks",
			"rank your website", "rank your site", "top of google", "your website ranking", "your websites ranking",
			"real traffic", "targeted traffic", "dofollow link", "dofollow links", "do follow link", "do follow links",
			"guest post on your",
		},
		topic: []string{
			"backlinks", "backlink", "domain authority", "guest post", "link building", "seo", "website traffic",
		}},
}

// nudges are classes whose phrases lean to spam but are common among honest people: they count little and
// refuse only together with other signals.
var nudges = []class{
	{code: "call_to_click", says: "pushes to a click, a call or another channel",
		pitch: []string{
			"click here", "click below", "click the link", "click this link", "click on the link", "click on this link",
			"click link", "click now", "tap the link", "follow this link", "follow the link below", "open the link",
			"visit now", "visit our website now", "download now", "sign up now", "signup now", "register now",
			"join now", "join free", "order now", "order today", "buy now", "shop now", "subscribe now",
			"get yours now", "start now", "start today", "start earning",
			"me on whatsapp", "us on whatsapp", "via whatsapp", "whatsapp me", "my whatsapp", "whatsapp number",
			"whatsapp #", "whatsapp group", "whatsapp us", "whatsapp only", "on telegram", "via telegram",
			"telegram me", "telegram group", "telegram channel", "my telegram", "dm me now", "inbox me", "text me at",
			"email me at my private", "private email", "call now", "call free", "call me now", "reply now",
			"reply or call", "reply yes", "please call", "just call", "just text", "just reply", "ring now",
			"reply with your full", "send your full", "your full name", "send me your number", "send us your",
			"hier klicken", "klicken sie hier", "jetzt klicken", "jetzt anmelden", "jetzt registrieren", "cliquez ici",
			"cliquez sur", "haga clic", "haz clic", "clique aqui", "clicca qui", "klik hier",
			"kontaktieren sie mich per whatsapp", "escribeme al whatsapp", "пишите в телеграм", "пиши в телеграм",
			"в телеграм", "жми", "点 击 链 接", "点 击 领 取", "点 击 下 方", "點 擊 連 結", "點 擊 領 取", "加 微 信", "加 我 微 信", "加 我 的 微 信", "اضغط على الرابط", "اضغط هنا", "انقر هنا",
			"انقر على الرابط", "عبر واتساب", "على واتساب",
		}},
	{code: "urgency", says: "presses for time",
		pitch: []string{
			"act now", "act fast", "act immediately", "act today", "urgent response", "urgent reply", "reply urgently",
			"reply immediately", "respond immediately", "respond urgently", "urgent message", "immediately as",
			"limited time", "limited offer", "limited time offer", "offer ends", "offer expires", "offer valid",
			"expires today", "expires soon", "expires tonight", "expires in # hours", "expires #", "last chance",
			"final chance", "final notice", "final warning", "final attempt", "final reminder", "last warning",
			"2nd attempt", "second attempt to contact", "attempt to contact you", "attempt to contact u",
			"trying to contact you", "trying to contact u", "tried to contact you", "tried 2 contact u", "hurry",
			"do not miss this", "dont miss out", "dont miss this", "dont delay", "do not delay", "today only",
			"only today", "this weekend only", "this week only", "only # left", "only # spots", "only # slots",
			"spots left", "slots left", "while stocks last", "while supplies last", "before its too late",
			"before it is too late", "once in a lifetime", "within # hours", "within the next # hours", "within 24 hrs",
			"right now to", "today to claim",
			"nur heute", "nur noch heute", "letzte chance", "sofort handeln", "innerhalb von # stunden",
			"derniere chance", "offre limitee", "dans les # heures", "ultima oportunidad", "ultima chance",
			"oferta limitada", "en # horas", "agisci ora", "offerta limitata", "только сегодня", "успей", "立 即 领 取", "马 上 领 取", "限 时", "逾 期 作 废", "过 期 作 废", "立 即 領 取",
			"逾 期 作 廢", "سارع", "قبل انتهاء العرض", "لفترة محدودة", "خلال # ساعة",
		}},
	{code: "free_offer", says: "gives things away",
		pitch: []string{
			"100 free", "absolutely free", "totally free", "completely free", "no obligation", "no strings attached",
			"no catch", "no hidden fees", "4 free", "get it free", "get free", "for free now", "free delivery",
			"free shipping", "free camera", "free phone", "free mobile", "free nokia", "free iphone", "free laptop",
			"free text", "free texts", "free minutes", "free mins", "free sms", "free ringtone", "free tone",
			"free tones", "no purchase necessary", "special promotion", "exclusive offer", "special offer",
			"amazing offer", "great offer", "mega offer", "unbeatable offer", "half price", "best price", "best prices",
			"lowest price", "lowest prices", "cheap price", "cheap prices", "cheapest", "huge discount", "# off all",
			"# off today", "# discount today", "money back guarantee", "satisfaction guaranteed", "100 guaranteed",
			"100 guarantee", "100 safe", "100 working", "100 real", "guaranteed", "congratulations you",
			"congratulations u", "congratulations your", "congrats you", "100 kostenlos", "vollig kostenlos",
			"100 gratuit", "totalmente gratis", "completamente gratis", "herzlichen gluckwunsch sie",
			"felicitations vous", "felicidades has", "parabens voce", "complimentary # night", "免 费 领 取", "免 费 送", "免 費 領 取", "مجانا تماما",
		}},
	{code: "mass_mail", says: "is addressed to nobody",
		pitch: []string{
			"dear friend", "dear sir", "dear madam", "dear sir madam", "dear sirs", "dear beneficiary", "dear winner",
			"dear customer", "dear valued customer", "dear valued member", "dear user", "dear account holder",
			"dear account owner", "dear subscriber", "dear linkedin member", "dear linkedin user", "dear entrepreneur",
			"dear website owner", "dear business owner", "dear investor", "dear candidate", "dear talent",
			"dear job seeker", "hello dear", "hello friend", "hi dear", "hey dear", "my dear", "dearest",
			"greetings to you", "greetings in the name", "good day to you", "compliments of the season",
			"attention please", "to unsubscribe", "opt out", "optout", "this is not spam", "this is not a scam",
			"not a scam", "no scam", "100 legit", "legit and", "is legit", "customer services on", "remain blessed",
			"forward this", "as seen on", "hope this message finds you well dear", "remove me from", "to be removed",
			"sehr geehrter kunde", "lieber kunde", "lieber freund", "cher client", "cher ami", "estimado cliente",
			"estimado amigo", "querido amigo", "prezado cliente", "caro amigo", "gentile cliente", "beste klant",
			"уважаемый клиент",
		}},
}

// A phrase is one phrase of a class, split into words.
type phrase struct {
	class     int // index into allClasses
	kind      phraseKind
	text      string
	words     []string
	skeletons []string // the words as skeletons
	joined    string   // the skeletons without blanks
}

type phraseKind byte

const (
	pitch phraseKind = iota
	hint
	topic
	nudge
	phraseKinds
)

// allClasses are the classes and then the nudges; reasons of equal points keep this order.
var allClasses = append(append([]class{}, classes...), nudges...)

// phrasesByWord is the index of the phrases by their first word; a first word that begins with # is indexed
// as "#". phrasesBySkeleton is the index by the skeleton of the first word.
var phrasesByWord, phrasesBySkeleton = indexPhrases()

// phraseSkeletons are the skeletons of all words of phrases.
var phraseSkeletons = func() map[string]bool {
	all := map[string]bool{}
	for _, phrases := range phrasesByWord {
		for _, p := range phrases {
			for _, s := range p.skeletons {
				all[s] = true
			}
		}
	}
	return all
}()

// longestPhrase is the number of words of the longest phrase.
var longestPhrase = func() (words int) {
	for _, phrases := range phrasesByWord {
		for _, p := range phrases {
			words = max(words, len(p.words))
		}
	}
	return words
}()

func indexPhrases() (byWord, bySkeleton map[string][]*phrase) {
	byWord, bySkeleton = map[string][]*phrase{}, map[string][]*phrase{}
	for i, c := range allClasses {
		kind := pitch
		if i >= len(classes) {
			kind = nudge
		}
		for _, text := range c.pitch {
			indexPhrase(byWord, bySkeleton, newPhrase(i, kind, text))
		}
		for _, text := range c.hint {
			indexPhrase(byWord, bySkeleton, newPhrase(i, hint, text))
		}
		for _, text := range c.topic {
			indexPhrase(byWord, bySkeleton, newPhrase(i, topic, text))
		}
	}
	return byWord, bySkeleton
}

func newPhrase(class int, kind phraseKind, text string) *phrase {
	p := &phrase{class: class, kind: kind, text: text}
	for _, w := range strings.Fields(text) {
		w = Fold(w)
		p.words = append(p.words, w)
		p.skeletons = append(p.skeletons, skeleton(w))
	}
	p.joined = strings.Join(p.skeletons, "")
	return p
}

// shown returns the phrase as a Reason shows it: its first four words at most.
func (p *phrase) shown() string { return strings.Join(p.words[:min(len(p.words), 4)], " ") }

func indexPhrase(byWord, bySkeleton map[string][]*phrase, p *phrase) {
	first := p.words[0]
	if first[0] == '#' {
		first = "#"
	}
	byWord[first] = append(byWord[first], p)
	bySkeleton[p.skeletons[0]] = append(bySkeleton[p.skeletons[0]], p)
}

// A hit is a phrase found in a text.
type hit struct {
	*phrase
	masked bool // at least one of its words was masked
}

// spelledPhrases are the phrases without wildcards of minSpelled letters and more, by their letters without
// blanks.
var spelledPhrases = indexSpelled()

const minSpelled = 8

func indexSpelled() []*phrase {
	var all []*phrase
	for _, phrases := range phrasesBySkeleton {
		for _, p := range phrases {
			if len(p.joined) >= minSpelled && !strings.ContainsAny(p.text, "#*") && ascii(p.joined) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b *phrase) int { return strings.Compare(a.joined, b.joined) })
	return all
}

// spelledWords splits a row of single letters, given as a skeleton, into the words of the phrases that it
// holds: where blanks stand between all letters, none shows where a word ends. A row without a phrase is one
// word.
func spelledWords(row string) []unmaskedWord {
	for _, p := range spelledPhrases {
		before, after, found := strings.Cut(row, p.joined)
		if !found {
			continue
		}
		var words []unmaskedWord
		if before != "" {
			words = spelledWords(before)
		}
		for _, w := range p.skeletons {
			words = append(words, unmaskedWord{w, true})
		}
		if after != "" {
			words = append(words, spelledWords(after)...)
		}
		return words
	}
	return []unmaskedWord{{row, true}}
}

// findPhrases returns the phrases in the words of a text, each once, in their order; masked ones come last.
// Of several phrases that begin at the same word only the longest counts.
func findPhrases(plain []string, unmasked []unmaskedWord) []hit {
	var hits []hit
	add := func(p *phrase, masked bool) {
		if p != nil && !slices.ContainsFunc(hits, func(h hit) bool { return h.phrase == p }) {
			hits = append(hits, hit{p, masked})
		}
	}
	for at, w := range plain {
		found := longestMatch(nil, phrasesByWord[w], plain[at:])
		if '0' <= w[0] && w[0] <= '9' {
			found = longestMatch(found, phrasesByWord["#"], plain[at:])
		}
		add(found, false)
	}
	masked := 0 // the next masked word
	for at, w := range unmasked {
		for masked = max(masked, at); masked < len(unmasked) && !unmasked[masked].masked; {
			masked++
		}
		if masked == len(unmasked) {
			break
		}
		var found *phrase
		if masked-at < longestPhrase {
			for _, p := range phrasesBySkeleton[skeleton(w.text)] {
				if p.matchesMasked(unmasked[at:]) && (found == nil || len(p.words) > len(found.words)) {
					found = p
				}
			}
		}
		add(found, true)
	}
	return hits
}

// longestMatch returns the longest of found and those of more that text begins with; found may be nil.
func longestMatch(found *phrase, more []*phrase, text []string) *phrase {
	for _, p := range more {
		if p.matches(text) && (found == nil || len(p.words) > len(found.words)) {
			found = p
		}
	}
	return found
}

// matches reports whether text begins with the phrase.
func (p *phrase) matches(text []string) bool {
	for _, want := range p.words {
		if len(text) == 0 || !matchesWord(want, text[0]) {
			return false
		}
		if want == "#" {
			for n := 1; n < numberParts && len(text) > 1 && isNumber(text[1]); n++ {
				text = text[1:]
			}
		}
		text = text[1:]
	}
	return true
}

// numberParts is how many words one number may be split into: 1,000,000.00 has four.
const numberParts = 4

// matchesWord reports whether word matches a word of a phrase, which may be a wildcard.
func matchesWord(want, word string) bool {
	switch {
	case want == word, want == "*":
		return true
	case want[0] != '#' || len(word) < len(want):
		return false
	}
	number, unit := word[:len(word)-len(want)+1], word[len(word)-len(want)+1:]
	return unit == want[1:] && isNumber(number)
}

// matchesMasked reports whether text begins with the phrase and at least one of its words was masked.
func (p *phrase) matchesMasked(text []unmaskedWord) bool {
	if len(text) < len(p.words) {
		return false
	}
	masked := false
	for i, want := range p.words {
		switch w := text[i]; {
		case w.masked && w.text == p.skeletons[i]:
			masked = true
		case w.masked || !matchesWord(want, w.text):
			return false
		}
	}
	return masked
}

// isNumber reports whether w is made of digits.
func isNumber(w string) bool {
	for i := range len(w) {
		if w[i] < '0' || w[i] > '9' {
			return false
		}
	}
	return w != ""
}
