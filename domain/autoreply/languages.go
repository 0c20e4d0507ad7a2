package autoreply

import "regexp"

// language contains the phrases of one language, as fold writes them.
type language struct {
	code        string         // ISO 639-1
	label       *regexp.Regexp // at the start of the text; group 1 is the label
	automated   *regexp.Regexp // at the start of a sentence: this is an automatic message
	undelivered *regexp.Regexp // at the start of a sentence: a message was not delivered
	away        *regexp.Regexp // somebody is away, or left
	present     *regexp.Regexp // in the same sentence: now or in future
	past        *regexp.Regexp // in the same sentence: it is over, or a condition
	expected    *regexp.Regexp // anywhere: until when, or whom to ask instead
	answers     *regexp.Regexp // anywhere: the writer has read the message
}

// greeting is a greeting at the start of a sentence, with what is greeted.
var greeting = regexp.MustCompile(`^(?:(?:hi|hello|hey|dear|greetings|good (?:morning|day|afternoon|evening)|` +
	`hallo|guten (?:tag|morgen|abend)|liebe[rs]?|sehr geehrte[rs]?|moin|gruss gott|servus|` +
	`bonjour|bonsoir|salut|madame|cher|chere|chers|` +
	`hola|buenos dias|buenas tardes|buen dia|estimad[oa]s?|querid[oa]s?|` +
	`ola|bom dia|boa tarde|caro|cara|prezad[oa]s?|` +
	`buongiorno|buonasera|salve|ciao|gentile|gentili|egregio|` +
	`beste|goedendag|goedemorgen|goedemiddag|geachte|dag)\b` +
	`(?:[^,:;.!?\n]{0,40}(?:[,:;.!]|$)| (?:and|und|et|y|e|en) ))+ ?`)

// thanks begin a sentence that thanks for the message.
var thanks = starts(`(?:many |kind )?thanks\b`, `thank you\b`, `(?:vielen |herzlichen |besten )?dank\b`, `danke\b`,
	`(?:un grand )?merci\b`, `(?:muchas |muchisimas )?gracias\b`, `(?:muito )?obrigad[oa]\b`, `agradec`,
	`(?:molte |mille )?grazie\b`, `la ringrazi`, `(?:hartelijk |heel erg )?(?:be)?dankt?\b`)

// but may follow the thanks.
var but = starts(`(?:but|however|aber|leider|unfortunately|mais|pero|mas|ma|maar|helaas),? `)

// urgent marks questions that notices ask.
var urgent = stems(`urgent`, `emergency`, `immediate`, `need (?:help|assistance)`, `dringend`, `notfall`, `urgence`,
	`besoin d'aide`, `urgencia`, `ayuda`, `ajuda`, `urgenz`, `aiuto`, `spoed`, `dringende?`, `hulp`)

var languages = []language{english, german, french, spanish, portuguese, italian, dutch}

var english = language{
	code: "en",
	label: labels(
		`auto(?:matic|mated)?[ -]?(?:reply|response)(?: message)?`,
		`(?:currently )?out[ -]of[ -](?:the[ -])?office(?: (?:auto-?)?(?:reply|message|notification|`+
			`response|notice))?`,
		`ooo`, `away (?:message|notice)`, `absence notice`, `vacation (?:reply|message|responder)`,
	),
	automated: starts(
		`(?:please note(?: that)? |note: )?this is an? (?:automated|automatic|auto-?generated|`+
			`automatically generated|auto-?reply)`,
		`this (?:message|e-?mail|reply|response) (?:was|is|has been) (?:sent |generated |created )?automatically`,
		`(?:please )?do not reply to this (?:automated|automatic|auto)`, `automated (?:message|response|reply)\b`,
		`you (?:are receiving|have received) this automat`,
	),
	undelivered: starts(
		`(?:sorry, |unfortunately,? )?(?:your|the|this) (?:message|e-?mail|mail)(?: (?:to|for) \S+)? `+
			`(?:could ?n[o']t|cannot|can't|was ?n[o']t|has not been|has n[o']t been|failed to be|did not `+
			`get|is un)(?: be)? ?(?:delivered|deliver|deliverable)`,
		`delivery (?:status notification|incomplete|has failed|failed|to the following|failure)`,
		`undeliver(?:able|ed)`, `mail delivery (?:failed|subsystem|failure|system)`,
		`message (?:not delivered|undeliverable|blocked|delivery failed)`, `address not found`, `returned mail`,
		`(?:we (?:were|are)|i was) (?:unable|not able) to deliver`,
		`the (?:recipient|e-?mail address|address|mailbox)(?: \S+)? (?:does not exist|could not be `+
			`found|was not found|is full)`,
	),
	away: words(
		`out of (?:the |my |our )?office`, `ooo`, `out of town`,
		`away from (?:the |my |our )?(?:office|desk|e-?mails?|mail|computer|work|keyboard|messages)`,
		`away (?:until|till|from|on|for|this|next)`,
		`on (?:[a-z]+ ){0,2}(?:leave|vacation|holidays?|sabbatical|pto|business trip|business travel|trip)`,
		`not in (?:the|my) office`,
		`(?:at|attending) (?:a|an|the) [a-z ]{0,20}(?:conference|event|training|offsite|retreat|trade show)`,
		`(?:taking|enjoying|having) (?:some |a |a few |my |the )?(?:time|days?|weeks?|break|holidays?|`+
			`vacation)(?: off)?`,
		`unavailable`, `travell?ing`, `off (?:work|sick|until|till|from)`,
		`out (?:for|until|till|this|next|today|from|sick)`, `on jury duty`, `on (?:furlough|assignment|a course)`,
		`(?:offices?|shop|practice|business) (?:is|are|will be|remains?) (?:[a-z]+ )?closed`,
		`(?:limited|intermittent|sporadic|reduced|restricted|little|no) access`,
		`no longer (?:works?|working|with|employed|at|part of|monitored|in use|reach\S*)`,
		`(?:have|has) left (?:the )?[a-z]+`, `not (?:checking|reading|monitoring)`,
	),
	present: words(
		`(?:i|we|he|she|they)(?: am| are| is|'m|'re|'s| will|'ll| have)`, `im`, `i no longer`, `is`, `are`, `will be`,
		`currently`, `no longer`, `has left`, `^(?:currently )?(?:out|away|on|off)`,
	),
	past: regexp.MustCompile(
		`\b(?:was|were|had|been|last (?:week|month|friday)|back from|just (?:got|came|returned))\b|` +
			`^(?:when|once|after|if|since|as soon as)\b`,
	),
	expected: stems(
		`until\b`, `till\b`, `return(?:ing|s)?\b`, `back (?:on|in|at|by|to)\b`, `through\b`, `urgent`, `emergenc`,
		`immediate`, `in the meantime`, `(?:in|during) my absence`, `after (?:that|then)\b`,
		`(?:please|kindly) (?:contact|call|reach|direct|e-?mail|write|refer|get in touch|speak|send)`,
		`contact (?:my|our)`, `(?:limited|intermittent|sporadic|reduced|restricted|little|no) access`, `ping\b`,
		`(?:reply|respond|answer|get back)\b[^.\n]{0,50}\b(?:when|upon|after|as soon|once|on my|later|`+
			`delay|next|on (?:mon|tues|wednes|thurs|fri)day)`,
		`as soon as`, `currently`, `delay`, `starting\b`,
	),
	answers: stems(
		`yes\b`, `yeah\b`, `sounds?\b`, `interest(?:ed|ing)\b`, `let's\b`, `lets\b`,
		`(?:i'm|i am|i'd be|i would be|we'd be|more than) (?:happy|glad|delighted) to`,
		`(?:happy|glad) to (?:talk|chat|meet|discuss|hear)`, `(?:i'd|would|i would) (?:love|like)`, `not for me`,
		`no,? thanks`, `call me (?:tomorrow|then|next|on mon|any ?time)`, `(?:send|tell|show) me\b`,
		`works (?:for me|better|well|fine)`, `(?:speak|talk|chat|meet) (?:then|next|on|after|when|in)\b`, `i want\b`,
		`good timing`, `congrat`, `(?:i'm|i am|we're|we are) (?:currently |actually )?looking`,
		`your (?:offer|proposal|idea|product|profile)`, `how about`, `what about`,
		`(?:we|i) (?:could|can) (?:meet|talk|speak|chat)`, `coffee`, `lunch`, `we can\b`,
		`(?:we|i) (?:could|should|might)\b`, `(?:ring|phone|text) me`, `i like\b`, `great\b`,
	),
}

var german = language{
	code: "de",
	label: labels(
		`automatische (?:antwort|ruckantwort|abwesenheitsnotiz|nachricht)`,
		`abwesenheits(?:notiz|nachricht|meldung|assistent|benachrichtigung)`, `abwesenheit`, `autoantwort`,
		`auto-?reply`, `ausser haus`, `nicht im bue?ro`, `urlaubsbenachrichtigung`,
	),
	automated: starts(
		`(?:dies|dieses|das|hierbei|es) (?:ist|handelt es sich|handelt sich)(?: um)? eine automatisch`,
		`(?:dies|das) ist ein automatisch`,
		`diese (?:e-?mail|mail|nachricht|antwort) (?:wurde|ist|wird) (?:automatisch|maschinell)`,
		`automatisch (?:erzeugt|generiert|erstellt)e `,
	),
	undelivered: starts(
		`(?:leider )?(?:konnte )?(?:ihre|deine|die|diese) (?:nachricht|e-?mail|mail)(?: an \S+)? `+
			`(?:konnte |kann |wurde )?(?:leider )?nicht (?:\S+ ){0,2}?(?:zugestellt|ubermittelt|`+
			`ausgeliefert)`,
		`unzustellbar`, `zustellung (?:fehlgeschlagen|nicht moglich|der nachricht)`, `die zustellung`,
		`(?:der empfanger|die adresse|das postfach)(?: \S+)? (?:wurde nicht gefunden|existiert nicht|ist voll)`,
	),
	away: words(
		`nicht (?:im|in meinem|in unserem|am) (?:haus|haus[e]?|bue?ro|office|dienst|arbeitsplatz|platz|`+
			`schreibtisch)`,
		`nicht (?:personlich |telefonisch )?(?:erreichbar|verfugbar|anwesend)`, `ausser haus`,
		`ausserhalb des bue?ros`, `abwesend`,
		`(?:im|in|auf|in den|in meinem) (?:[a-z]+ ){0,2}(?:urlaub|jahresurlaub|ferien|elternzeit|`+
			`mutterschutz|dienstreise|geschaftsreise|sabbatical|sabbatjahr|reisen)`,
		`unterwegs`,
		`nur (?:sehr )?(?:eingeschrankt|bedingt|sporadisch|unregelmassig|begrenzt|schlecht) `+
			`(?:erreichbar|verfugbar)`,
		`keinen (?:regelmassigen )?zugriff`, `(?:er)?krankt?`, `habe(?:n)? (?:bis )?(?:\S+ ){0,3}urlaub`,
		`nicht mehr (?:abgerufen|gelesen|genutzt|aktiv)`, `krankgeschrieben`, `nicht zu erreichen`,
		`betriebs(?:ferien|urlaub)`, `(?:abwesend|verreist)`, `nicht mehr (?:fur|bei|im unternehmen|unter dieser)`,
		`ausgeschieden`, `(?:unser|das) (?:unternehmen|haus) verlassen`,
		`auf (?:einer )?(?:fortbildung|schulung|messe|tagung|konferenz)`,
		`(?:bue?ro|praxis|geschaftsstelle|bue?ros|betrieb)(?: \S+){0,6} geschlossen`,
	),
	present: words(
		`bin`, `sind`, `ist`, `wird`, `befinde[nt]?`, `^(?:abwesend|nicht im|derzeit|zurzeit)`, `werde`, `werden`,
		`habe`, `haben`, `bleibt`, `bleiben`, `arbeite`, `arbeitet`,
	),
	past: regexp.MustCompile(
		`\b(?:war|waren|gewesen|hatte|hatten|letzte[nr]?|vergangene[nr]?)\b|^(?:nach|wenn|sobald|falls|seit)\b`,
	),
	expected: stems(
		`bis\b`, `ab (?:dem|montag|dienstag|mittwoch|donnerstag|freitag|[0-9])`, `wieder\b`, `dringend`, `notfall`,
		`eilig`, `vertret`, `wenden sie`, `schreiben sie (?:an|bitte)`, `(?:an|bitte) [^.\n]{0,30}schreiben`,
		`wende dich`, `kontaktier`, `ruckkehr`, `zuruck\b`, `weitergeleitet`, `derzeit`, `zurzeit`, `zur zeit`,
		`momentan`, `aktuell`, `vom\b`, `nachster woche`, `bitte nutzen`,
	),
	answers: stems(
		`klingt`, `hort sich`, `interessier`, `interessant`, `spannend`,
		`gerne? (?:sprechen|telefonieren|mehr|reden|dazu)`, `(?:rufen sie|ruf) mich (?:gern|morgen|dann|an)`,
		`melden sie sich (?:im|in|nach|dann|gern|noch|wieder)`, `passt (?:ihnen|mir|gut|es|dir)`, `ja,`, `ja\b[ !.]`,
		`kein interesse`, `nein\b`, `erzahl`, `schicken sie`, `ihr (?:angebot|produkt)`, `suche\b`,
		`(?:konnen|konnten|wollen|sollen) wir`, `wir (?:konnten|uns)`, `treffen\b`, `freue mich`, `reizt mich`,
		`schreibe ihnen`, `hatte ich`, `kommen sie`, `lassen sie uns`, `sprechen wir`,
	),
}

var french = language{
	code: "fr",
	label: labels(
		`reponse automatique(?: d'absence)?`, `message (?:automatique|d'absence)(?: du bureau)?`,
		`absen(?:ce|t|te)(?: du bureau)?`, `avis d'absence`, `notification d'absence`,
	),
	automated: starts(
		`(?:ceci|cela|ce message) est une? (?:message|reponse|courriel|e-?mail|mail)? ?automatique`,
		`ceci est une? (?:message|reponse|courriel|e-?mail|mail) (?:genere|envoye|automati)`,
		`ce (?:message|courriel|mail|e-?mail) (?:a ete|est) (?:genere|envoye) automatiquement`,
		`message automatique\b`,
	),
	undelivered: starts(
		`(?:malheureusement,? )?(?:votre|ton|le) (?:message|courriel|e-?mail|mail)(?: a \S+)? (?:n'a `+
			`(?:pas )?(?:pu|ete)|n'a pas|ne peut pas|n'a pu)[^.]{0,20} (?:remis|distribue|delivre|livre|`+
			`achemine)`,
		`(?:echec de (?:la )?(?:remise|distribution|livraison)|non remis|non distribue|remise impossible)`,
		`(?:la boite|l'adresse|le destinataire)[^.]{0,40} (?:est pleine|n'existe pas|introuvable)`,
		`impossible de (?:remettre|distribuer|delivrer)`,
	),
	away: words(
		`absente?s?`, `en (?:formation|seminaire|reunion|stage)`, `ne consulte pas`, `hors (?:du |de mon )?bureau`,
		`en (?:conges?|vacances|deplacement|arret|arret maladie|mission|voyage)(?: [a-z]+)?`,
		`pas (?:au bureau|disponibles?|joignables?|present)`, `indisponibles?`,
		`acces (?:tres )?(?:limite|restreint|reduit)`, `pas acces`,
		`(?:bureaux?|agence|cabinet|entreprise|societe)(?: (?:est|sont|sera|seront))(?: [a-z]+)? ferme(?:e|s|es)?`,
		`ne (?:travaille|fais|fait) plus`, `quitte (?:l'entreprise|la societe)`,
	),
	present: words(
		`je suis`, `^(?:absente?|actuellement)`, `etant`, `je serai`, `nous sommes`, `nous serons`, `je me trouve`,
		`je n'ai`, `je n'aurai`, `est`, `sont`, `sera`, `seront`, `actuellement`, `je ne`, `ne travaille plus`,
		`j'ai quitte`,
	),
	past: regexp.MustCompile(
		`\b(?:etais|etait|etaient|avais|ai ete|derniere?|passee?)\b|^(?:apres|quand|lorsque|des que|de ` +
			`retour (?:au|de)|si)\b`,
	),
	expected: stems(
		`jusqu`, `(?:de|mon) retour`, `reviens`, `reviendr`, `urgen`, `contacter`, `(?:vous )?adress(?:er|ez)`,
		`retour\b`, `actuellement`, `acces (?:limite|restreint)`, `repondr`, `du [0-9]`, `a partir du`, `inclus`,
		`en mon absence`, `pendant mon absence`, `en ce moment`, `a compter`, `prend le relais`, `traiterons`,
	),
	answers: stems(
		`m'interess`, `interessante?\b`, `interessee?\b`, `je veux bien`, `avec plaisir`, `volontiers`, `oui\b`,
		`parl(?:ons|er)`, `donc\b`, `telephon`, `rencontr`, `rappelez-moi`, `envisag`, `convien`,
		`appelez-moi (?:demain|lundi|des)`, `racont`, `pas interess`, `discut`, `echanger`,
		`votre (?:offre|proposition)`, `je cherche`, `envoyez-moi`,
	),
}

var spanish = language{
	code: "es",
	label: labels(
		`(?:respuesta|mensaje) automatic[oa](?: de ausencia)?`, `ausen(?:te|cia)(?: de la oficina)?`,
		`fuera de (?:la )?oficina`, `(?:aviso|mensaje|notificacion) de ausencia`,
	),
	automated: starts(
		`(?:este|esta|esto) es una? (?:mensaje|respuesta|correo|e-?mail)(?: electronico)? (?:automatic|generad)`,
		`est[ea] (?:mensaje|correo|respuesta) (?:ha sido|fue|es) (?:generad|enviad)[oa] automaticamente`,
		`mensaje automatico\b`,
	),
	undelivered: starts(
		`(?:lo sentimos, )?no (?:se )?(?:ha podido|pudo|fue posible|ha sido posible|hemos podido|se `+
			`pudo) (?:ser )?entrega`,
		`(?:su|tu|el) (?:mensaje|correo)(?: electronico)?(?: a \S+| que envio| enviado)? no (?:se `+
			`)?(?:ha podido|pudo|ha sido|fue|puede)(?: ser)? (?:entrega|ser entrega)`,
		`error (?:de|en la) entrega`, `mensaje no entregado`, `entrega fallida`, `no entregado`,
		`(?:la direccion|el buzon|el destinatario)[^.]{0,40} (?:no existe|esta llen)`,
	),
	away: words(
		`fuera (?:de (?:la |mi )?oficina|por|hasta|unos|esta)`, `de vacaciones`, `de (?:viaje|baja|permiso|licencia)`,
		`en (?:viaje de negocios|licencia|permiso|vacaciones)`, `ausente`, `dias libres`,
		`no (?:me encuentro|estoy|estare|estamos|estaremos)(?: [a-z]+)? (?:en (?:la|mi) oficina|`+
			`disponibles?|localizables?)`,
		`no disponible`, `acceso limitado`, `sin acceso`, `(?:oficinas?|tienda|despacho)(?: \S+){0,4} cerrad[oa]s?`,
		`ya no (?:trabajo|trabaja|formo parte|forma parte)`,
	),
	present: words(
		`^ausente`, `estoy`, `estare`, `estamos`, `estaremos`, `me encuentro`, `me encontrare`, `nos encontramos`,
		`esta`, `estan`, `estara`, `estaran`, `ya no`, `permanecera`, `permaneceran`, `tengo`, `tendre`,
	),
	past: regexp.MustCompile(
		`\b(?:estuve|estaba|estabamos|estuvimos|pasad[oa]|habia|tuve)\b|^(?:despues|cuando|tras|desde ayer|si)\b`,
	),
	expected: stems(
		`hasta\b`, `regres`, `vuelvo`, `volvere`, `vuelta el`, `urgen`, `contact`, `diri(?:ja|ge|jan)`, `actualmente`,
		`en est[eo]s? momentos?`, `limitado`, `reducido`, `respondere`, `(?:no )?atender`, `contestar`,
		`escriba[n]? a`, `mi companer`, `de vuelta`, `del [0-9]`, `a partir del`, `lo antes posible`,
		`mientras tanto`, `en mi ausencia`,
	),
	answers: stems(
		`(?:me|nos) interesa`, `interesa(?:do|da|nte)\b`, `suena`, `habl(?:amos|emos)`, `llam[ae]me`, `cuentame`,
		`cuenteme`, `encantad[oa]`, `claro\b`, `viene bien`, `si, `, `si!`, `me gusta`, `me ha gustado`, `su oferta`,
		`tu oferta`, `busco\b`, `quedamos`, `cuente conmigo`, `enviame`, `envieme`, `podemos`,
	),
}

var portuguese = language{
	code: "pt",
	label: labels(
		`(?:resposta|mensagem) automatica(?: de ausencia)?`, `ausencia temporaria`, `ausente(?: do escritorio)?`,
		`fora do escritorio`, `(?:aviso|mensagem|notificacao) de ausencia`,
	),
	automated: starts(
		`(?:esta|este|isto) e uma? (?:mensagem|resposta|e-?mail|correio) (?:automatic|gerad)`,
		`est[ea] (?:mensagem|e-?mail|resposta) (?:foi|e) (?:gerad|enviad)[oa] automaticamente`,
		`mensagem automatica\b`,
	),
	undelivered: starts(
		`(?:lamentamos, )?nao foi possivel (?:entregar|a entrega)`,
		`(?:a )?(?:sua |tua |esta )?mensagem(?: para \S+)? nao (?:foi|pode|p[oô]de)(?: ser)? entregue`,
		`(?:o )?seu e-?mail(?: para \S+)? nao (?:foi|pode)(?: ser)? entregue`, `falha na entrega`,
		`mensagem nao entregue`, `(?:o endereco|a caixa|o destinatario)[^.]{0,40} (?:nao existe|esta cheia)`,
	),
	away: words(
		`fora do (?:meu )?escritorio`, `fora da empresa`, `(?:de|em|gozar|gozando) ferias`,
		`de (?:licenca|baixa)(?:[- ][a-z]+)?`, `em (?:licenca|viagem)(?:[- ][a-z]+)*`, `ausentes?`,
		`nao (?:estou|estarei|me encontro|estamos)(?: [a-z]+)? (?:no escritorio|disponivel|disponiveis|contactavel)`,
		`indisponivel`, `acesso (?:limitado|reduzido)`, `sem acesso`,
		`(?:escritorios?|loja)(?: \S+){0,4} (?:fechad[oa]s?|encerrad[oa]s?)`,
		`(?:ja nao|nao) (?:trabalho|trabalha|faco parte) (?:mais|na|no)`,
	),
	present: words(
		`^ausente`, `estou`, `estarei`, `estamos`, `estaremos`, `encontro-me`, `me encontro`, `esta`, `estao`,
		`estara`, `estarao`, `ja nao`, `nao trabalh[oa] mais`, `tenho`, `terei`,
	),
	past: regexp.MustCompile(
		`\b(?:estive|estava|estavamos|estivemos|passad[oa]|tinha|tive)\b|^(?:depois|apos|quando|se|desde ontem)\b`,
	),
	expected: stems(
		`ate\b`, `regress`, `retorn`, `volt(?:o|arei|ar)\b`, `urgen`, `contact`, `contat`, `fale com`, `no momento`,
		`de momento`, `neste momento`, `atualmente`, `limitado`, `reduzido`, `so lerei`, `verei\b`,
		`respondere(?:i|mos)`, `entre os dias`, `assim que`, `a partir de`, `de [0-9]+ a [0-9]+`, `na minha ausencia`,
		`entretanto`,
	),
	answers: stems(
		`interess(?:a-me|e\b|ad[oa]|ante)`, `me interessa`, `parece`, `falamos\b`, `vamos (?:conversar|falar)`,
		`ligue-me`, `me ligue`, `conte-me`, `com prazer`, `claro\b`, `sim, `, `sim!`, `gostei`,
		`sua (?:oferta|proposta)`, `procuro\b`, `podemos`, `cafe\b`, `encontrar-nos`, `conversarmos`, `envie-me`,
	),
}

var italian = language{
	code: "it",
	label: labels(
		`(?:risposta|messaggio) automatic[ao](?: di assenza)?`, `fuori (?:ufficio|sede)`,
		`assen(?:za|te)(?: dall'ufficio)?`, `(?:avviso|messaggio|notifica) di assenza`,
	),
	automated: starts(
		`quest[oa] e una? (?:messaggio|risposta|e-?mail|mail) (?:automatic|generat)`,
		`quest[oa] (?:messaggio|risposta|e-?mail|mail) (?:e stat[oa]|viene) (?:generat|inviat)[oa] automaticamente`,
		`messaggio automatico\b`,
	),
	undelivered: starts(
		`(?:non e stato possibile|impossibile|non siamo riusciti a) (?:recapitare|consegnare)`,
		`(?:il (?:suo|tuo) |il )?(?:messaggio|e-?mail)(?: a \S+)? non (?:e stat[oa]|puo essere|ha `+
			`potuto essere) (?:recapitat|consegnat)`,
		`mancat[oa] (?:recapito|consegna)`, `messaggio non (?:recapitato|consegnato)`,
		`(?:la casella|l'indirizzo|il destinatario)[^.]{0,40} (?:e piena|non esiste)`,
	),
	away: words(
		`fuori (?:ufficio|sede|citta|per|fino)`,
		`in (?:ferie|vacanza|congedo|maternita|malattia|permesso|trasferta)(?: [a-z]+)*`, `in viaggio di lavoro`,
		`assent[ei]`,
		`non (?:sono|saro|siamo|saremo)(?: [a-z]+)? (?:in ufficio|disponibil[ei]|raggiungibil[ei]|reperibil[ei])`,
		`accesso limitato`, `senza accesso`, `(?:uffici?o?|negozio|studio)(?: \S+){0,4} chius[oi]`, `chius[oi] per`,
		`non lavor[oa] piu`,
	),
	present: words(
		`^assente`, `sono`, `saro`, `siamo`, `saremo`, `mi trovo`, `sara`, `saranno`, `e`, `restera`, `resteranno`,
		`ho`, `avro`, `non lavor[oa] piu`,
	),
	past: regexp.MustCompile(
		`\b(?:ero|era|eravamo|erano|stat[oaie]|scors[oa]|avevo)\b|^(?:dopo|quando|appena|se|da ieri)\b`,
	),
	expected: stems(
		`fino\b`, `rientr`, `ritorn`, `torno`, `tornero`, `urgen`, `contatta`, `rivolger`, `attualmente`,
		`al momento`, `in questo momento`, `limitato`, `risponder(?:o|emo)`, `contatteremo`, `alla riapertura`,
		`in caso di`, `d?all?'?[0-9]`, `appena possibile`, `dal [0-9]`, `a partire da`, `in mia assenza`,
		`nel frattempo`,
	),
	answers: stems(
		`(?:mi|ci) interessa`, `interessa(?:to|ta|nte)\b`, `sembra`, `sentiamo\b`, `mi chiami`, `chiamami`,
		`racconti`, `raccontami`, `volentieri`, `certo\b`, `si, `, `si!`, `va bene`, `parliam`, `parlare`, `vorrei`,
		`vederci`, `incontr`, `la proposta`, `cerco\b`, `mi mandi`, `possiamo`, `mi piace`,
	),
}

var dutch = language{
	code: "nl",
	label: labels(
		`automatische? (?:antwoord|reactie|bericht)`, `afwezig(?:heidsbericht|heidsassistent|heidsmelding|heid)?`,
		`niet op kantoor`, `buiten kantoor`, `out of office`,
	),
	automated: starts(
		`(?:dit|deze) is een automatisch`,
		`di?e?(?:t|ze) (?:bericht|e-?mail|mail|antwoord) (?:is|wordt|werd) automatisch`,
		`automatisch (?:gegenereerd )?bericht\b`,
	),
	undelivered: starts(
		`(?:helaas )?(?:kon )?(?:uw|je|het) (?:bericht|e-?mail|mail)(?: aan \S+)? (?:kon |kan |is |werd `+
			`)?(?:helaas )?niet (?:\S+ ){0,2}?(?:afgeleverd|bezorgd)`,
		`onbestelbaar`, `(?:af)?(?:levering|bezorging) mislukt`, `niet (?:afgeleverd|bezorgd)`,
		`(?:de mailbox|het adres|de ontvanger)[^.]{0,40} (?:is vol|bestaat niet)`,
	),
	away: words(
		`niet (?:op|in|aanwezig op) (?:het |mijn )?kantoor`, `niet aanwezig`,
		`he(?:b|bben) (?:\S+ ){0,2}(?:vakantie|vrij|verlof)`,
		`in verband met (?:een |mijn |de )?(?:congres|vakantie|verlof|feestdagen|ziekte|reis)`,
		`ben er (?:\S+ ){0,3}niet`, `vrije? (?:dagen?|week|weken|tot)`,
		`op (?:een )?(?:beurs|cursus|training|congres)`, `afwezig`,
		`(?:met|op) (?:[a-z]+ )?(?:vakantie|verlof|zakenreis|ouderschapsverlof|zwangerschapsverlof|dienstreis)`,
		`niet (?:goed )?(?:bereikbaar|beschikbaar)`, `beperkt(?:e)? (?:toegang|bereikbaar|beschikbaar)`,
		`geen toegang`, `buiten kantoor`, `(?:kantoor|kantoren|winkel|praktijk)(?: \S+){0,6} (?:gesloten|dicht)`,
		`niet (?:meer|langer) werkzaam`, `werk(?:t)? niet (?:meer|langer)`, `ziek`,
	),
	present: words(
		`^afwezig`, `ben`, `reageer`, `zijn`, `is`, `geniet`, `zal`, `zullen`, `heb`, `hebben`, `werkt?`, `blijft?`,
	),
	past: regexp.MustCompile(`\b(?:was|waren|geweest|had|hadden|vorige|afgelopen)\b|^(?:na|wanneer|als|zodra|sinds)\b`),
	expected: stems(
		`tot\b`, `terug\b`, `weer\b`, `vanaf`, `dringend`, `spoed`, `urgent`, `contact op`, `momenteel`,
		`op dit moment`, `beperkt`, `beantwoord`, `zo spoedig`, `zo snel mogelijk`, `deze week`, `volgende week`,
		`neemt waar`, `van [0-9]`, `tijdens mijn afwezigheid`, `collega`,
	),
	answers: stems(
		`klinkt`, `interess(?:ant|eert)`, `geen interesse`, `spreekt (?:me|mij) aan`, `bel(?:len)? (?:me|mij|we)`,
		`vertel`, `graag (?:meer|praten|een|even)`, `graag\.?$`, `ja, `, `ja!`, `nee\b`, `komt goed uit`, `laten we`,
		`afspreken`, `gesprek`, `ontmoeten`, `kom (?:gerust|maar)`, `mail je`, `(?:je|uw) aanbod`, `zoek\b`,
		`stuur (?:me|mij)`, `kunnen we`,
	),
}
