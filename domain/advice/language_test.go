package advice

import (
	"testing"

	"inmail/domain/richtext"
)

// The guess must be right for short texts, too, and for languages that functionWords does not list.
func TestEnglish(t *testing.T) {
	for _, tt := range []struct {
		want bool
		text string
	}{
		{true, "Hi Anna, how are you?"},
		{true, "Are you free on Monday?"},
		{true, "I saw your post about hydrogen trucks and have one question."},
		{true, "Interested in collaborating on sustainability with our team?"},
		{true, "hello anna, would you like to see our numbers?"},
		{true, "Thanks for the kind words, Jürgen! The Gemütlichkeit was ours."},
		{true, "SEE WHAT WE CAN DO FOR YOU"},
		{true, "As Goethe has it: „Es irrt der Mensch, solang er strebt“. What do you make of this line, and would you print it on the cover?"},
		{false, ""},
		{false, "👍 2026"},
		{false, "Anna Lindqvist"},
		{false, "Hallo Anna, was machen Sie am Montag?"},
		{false, "Die Firma hat in der Region an die 40 Leute im Team."},
		{false, "Will man also so was in Berlin?"},
		{false, "Wat vindt u hiervan, en is dat over de week zo?"},
		{false, "On a vu votre site en action, on y va ?"},
		{false, "Me gusta su perfil, ¿me da un minuto?"},
		{false, "Come sta? Ho visto il suo profilo in rete."},
		{false, "Como vai? Eu vi o seu perfil e gostei muito do que faz."},
		{false, "Hei Anna, jeg så profilen din og har et spørsmål om jobben i Bergen."},
		{false, "Hej Anna, jeg har set din profil og vil gerne høre mere om dit arbejde."},
		{false, "Hei Anna, näin profiilisi ja minulla on kysymys."},
		{false, "Merhaba Ayşe Hanım, profilinizi gördüm ve çok etkilendim."},
		{false, "Dobrý den, viděl jsem váš profil a rád bych se na něco zeptal."},
		{false, "Bună ziua, am văzut profilul dumneavoastră și am o întrebare."},
		{false, "Halo Ibu Dewi, saya melihat profil Anda dan ingin bertanya tentang pekerjaan Anda."},
		{false, "Hola Núria, he vist el teu perfil i m'agradaria fer-te una pregunta."},
		{false, "Szia Anna, láttam a profilodat, és lenne egy kérdésem."},
		{false, "Здравствуйте, Анна! У меня к вам один вопрос."},
		{false, "Γεια σας Άννα, έχω μια ερώτηση για εσάς."},
		{false, "안녕하세요 민수님, 한 가지 여쭤보고 싶습니다."},
		{false, "您好，我想请教您一个问题。"},
		{false, "مرحبا آنا، لدي سؤال واحد لك."},
		{false, "弊社のWeb meetingにご参加ください。the best call"},
	} {
		if got := english(tokenize(richtext.Parse(tt.text).Text())); got != tt.want {
			share, other := englishShare(tokenize(tt.text))
			t.Errorf("english(%q) = %v, want %v (%.2f, other %.2f)", tt.text, got, tt.want, share, other)
		}
	}
}

// The threshold must lie far from the shares of English texts and of others.
func TestEnglishIsToldApartWithRoom(t *testing.T) {
	for _, in := range corpus {
		share, other := englishShare(tokenize(richtext.Parse(in.body).Text()))
		if in.language == "" && (share < minEnglishShare+0.05 || other > share-0.1) {
			t.Errorf("%s: English with a share of %.2f, another language has %.2f", in.name, share, other)
		}
		if in.language != "" && share > minEnglishShare-0.05 {
			t.Errorf("%s: %s with a share of %.2f of English", in.name, in.language, share)
		}
	}
}
