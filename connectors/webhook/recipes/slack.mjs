// Brings events to a channel of Slack: verifies each, and posts a line of text to an incoming webhook of Slack.
// INMAIL_WEBHOOK_SECRET=whsec_… SLACK_URL=https://hooks.slack.com/services/… PORT=8081 node slack.mjs
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = Buffer.from(process.env.INMAIL_WEBHOOK_SECRET.replace("whsec_", ""), "base64");

function verified(headers, body) {
  const at = Number(headers["webhook-timestamp"]);
  if (!(Math.abs(Date.now() / 1000 - at) <= 300)) return false;
  const want = createHmac("sha256", secret).update(`${headers["webhook-id"]}.${at}.${body}`).digest();
  return (headers["webhook-signature"] ?? "").split(" ").some((s) => {
    const got = Buffer.from(s.replace("v1,", ""), "base64");
    return got.length === want.length && timingSafeEqual(got, want);
  });
}

function text({ type, data }) {
  const to = data.to?.name, from = data.from?.name;
  switch (type) {
    case "inmail.replied": return `${to} answered ${from}'s InMail`;
    case "inmail.declined": return `${to} declined ${from}'s InMail`;
    case "inmail.expiring": return `${from}'s InMail to ${to} expires within a day`;
    case "member.restricted": return `${data.member.name} is restricted until ${data.until} (${data.trigger})`;
    default: return `${type}: ${from ?? ""} ${to ? "to " + to : ""}`.trim();
  }
}

createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  if (!verified(req.headers, body)) return res.writeHead(401).end();
  const answer = await fetch(process.env.SLACK_URL, { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text: text(JSON.parse(body)) }) }).catch(() => ({ ok: false }));
  res.writeHead(answer.ok ? 204 : 502).end(); // InMail tries again what Slack did not take
}).listen(Number(process.env.PORT ?? 8081), "127.0.0.1", () => console.log("ready"));
