package main

import (
	"encoding/json"
	"testing"
)

// TestCRMShow checks how the page of a Lead is shown: its fields, its activities and its InMails, each as
// lines that cannot move the terminal's cursor (F38).
func TestCRMShow(t *testing.T) {
	var page crmPage
	if err := json.Unmarshal([]byte(`{"crm":"salesforce","object":"Lead","record":"00QSB000000001R2AQ","name":"Quentin \u001bOkonjo",
		"fields":[{"name":"Company","label":"Company","value":"Ostrava Motors"},
			{"name":"InMail_Last_At__c","label":"Last InMail","value":"2026-11-19T09:51:00Z"},
			{"name":"InMail_Answered_At__c","label":"Last InMail Answer","value":""}],
		"activities":[{"day":"2026-11-19","status":"Completed","subject":"InMail sent: Hello","text":"Lena Hart to Quentin Okonjo\nHi Quentin","owner":"Lena Hart"}],
		"inmails":[{"number":"IM-0000316","subject":"Hello","sender":"Lena Hart","owner":"Lena Hart","status":"Replied","sent_at":"2026-11-19T09:51:00.000Z",
			"expires_at":"2026-11-26T09:51:00.000Z","replied_at":null,"answer":"Yes","link":"https://inmail.example/sent/1"}]}`), &page); err != nil {
		t.Fatal(err)
	}
	screen(t, `
Lead Quentin Okonjo (00QSB000000001R2AQ)
Company             Ostrava Motors
Last InMail         19 Nov 2026 09:51 UTC
Last InMail Answer  –

Activities: 1 task
DAY         SUBJECT             OWNER      STATUS
2026-11-19  InMail sent: Hello  Lena Hart  Completed
    Lena Hart to Quentin Okonjo
    Hi Quentin

InMails: 1 record
INMAIL      SUBJECT  SENDER     OWNER      STATUS   SENT               EXPIRES            REPLIED
IM-0000316  Hello    Lena Hart  Lena Hart  Replied  19 Nov 2026 09:51  26 Nov 2026 09:51  –
    answer: Yes
    https://inmail.example/sent/1
`, result{out: page.text()})
}
