// A step "Run Javascript" of Code by Zapier, behind Catch Raw Hook: verifies an event and gives it on. Its Input Data:
// id, timestamp and signature from the headers webhook-id, webhook-timestamp and webhook-signature, and body from Raw Body.
const secret = "whsec_…"; // as inmail webhook add printed it
const { createHmac, timingSafeEqual } = require("crypto");

const { id, timestamp, signature, body } = inputData;
const key = Buffer.from(secret.replace("whsec_", ""), "base64");
const want = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest();
const valid = (signature ?? "").split(" ").some((s) => {
  const got = Buffer.from(s.replace("v1,", ""), "base64");
  return got.length === want.length && timingSafeEqual(got, want);
});
if (!valid) throw new Error("not from InMail"); // the Zap stops here
const event = JSON.parse(body);
output = { id, type: event.type, from: event.data.from?.name, to: event.data.to?.name, inmail: event.data.id };
