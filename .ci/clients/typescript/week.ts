// Does what people and programs do with InMail in a week, by the client that @hey-api/openapi-ts makes of the
// API's document, and prints what became of it as JSON. TestGeneratedClients runs it: node week.js URL
// OPERATOR-KEY PREFIX LATER, where PREFIX begins the ids of the members that it makes, and LATER is a duration
// after which every InMail has expired.
import { createClient, type Client } from './inmail/client/index.js';
import * as inmail from './inmail/sdk.gen.js';
import type { EventKind, SendBody, SendInMailRefusedProblem, Status } from './inmail/types.gen.js';

declare const process: { argv: string[] };

const [url = '', operatorKey = '', prefix = '', later = ''] = process.argv.slice(2);

const clientOf = (key: string): Client => createClient({ baseUrl: url, auth: key });

// must returns the body of an answer that went well.
async function must<T, E>(call: Promise<{ data?: T; error?: E; response?: Response }>): Promise<NonNullable<T>> {
  const { data, error, response } = await call;
  if (data === undefined || data === null) {
    throw new Error(`${response?.url} answered ${response?.status}: ${JSON.stringify(error)}`);
  }
  return data;
}

// refusal returns the problem of an answer with a status.
async function refusal<T, E>(status: number, call: Promise<{ data?: T; error?: E; response?: Response }>): Promise<NonNullable<E>> {
  const { error, response } = await call;
  if (response?.status !== status || error === undefined || error === null) {
    throw new Error(`${response?.url} answered ${response?.status}, not ${status}: ${JSON.stringify(error)}`);
  }
  return error;
}

const operator = clientOf(operatorKey);
const clients = new Map<string, Client>();
for (const name of ['ada', 'ben', 'cleo', 'dana', 'emil']) {
  const id = prefix + name;
  await must(inmail.putMember({ client: operator, path: { id }, body: { name, account_type: 'premium_business' } }));
  const { key } = await must(inmail.createKey({ client: operator, body: { role: 'member', member: id } }));
  clients.set(name, clientOf(key));
}
const of = (name: string): Client => clients.get(name) ?? operator;
const ada = of('ada');
const tag = prefix + 'fair';
const letter = (to: string): SendBody => ({
  to: prefix + to, subject: `Our talk at the fair, ${to}`, tags: [tag],
  body: `Hello ${to}, would Tuesday suit you for a short call about what we saw at the fair?`,
});

// The codes of each status are known: the compiler knows that this one can be unknown_recipient.
const known: SendInMailRefusedProblem['code'] = 'unknown_recipient';
const nobody = await refusal(422, inmail.sendInMail({ client: ada, body: letter('nobody') }));
const refused = nobody.code === known ? known : '';
const unknown = (await refusal(401, inmail.listInbox({ client: clientOf('inm_nobody_knows_this_key') }))).code;

const judged = await must(inmail.preflight({ client: ada, body: { to: [prefix + 'ben', prefix + 'nobody'] } }));
const preflight = 'items' in judged ? judged.items.map((v) => v.ok) : [];

const ids = new Map<string, string>();
for (const to of ['ben', 'cleo', 'dana', 'emil']) {
  const sent = await must(inmail.sendInMail({ client: ada, body: letter(to), headers: { 'Idempotency-Key': prefix + to } }));
  ids.set(to, sent.id);
}
const idOf = (to: string): string => ids.get(to) ?? '';
for (const id of ids.values()) {
  for (let status: Status = 'queued'; status !== 'sent'; ) {
    const view = await must(inmail.viewInMail({ client: ada, path: { id } }));
    status = view.status;
    if (status !== 'sent' && status !== 'queued') throw new Error(`${id} is ${status}`);
    if (status === 'queued') await new Promise((done) => setTimeout(done, 20));
  }
}

const inbox = await must(inmail.listInbox({ client: of('ben') }));
await must(inmail.openInMail({ client: of('ben'), path: { id: inbox.items[0]?.id ?? '' } }));
await must(inmail.reply({ client: of('ben'), path: { id: idOf('ben') }, body: { body: 'Tuesday at ten suits me.' } }));
const conversation = await must(inmail.listReplies({ client: ada, path: { id: idOf('ben') } }));

const report = () => inmail.reportInMail({ client: of('cleo'), path: { id: idOf('cleo') }, body: { reason: 'not for me' } });
const reported = await report();
if (reported.response?.status !== 204) throw new Error(`the report answered ${reported.response?.status}`);
const secondTime = (await refusal(409, report())).code;

const offer = await must(inmail.retractInMail({ client: ada, path: { id: idOf('dana') }, body: {} }));
if (!('confirm' in offer)) throw new Error('the first step of a retraction has no token');
const retraction = await must(inmail.retractInMail({ client: ada, path: { id: idOf('dana') }, body: { confirm: offer.confirm } }));
if (!('undone' in retraction)) throw new Error('the second step of a retraction does not say whether it was undone');

// The week passes.
await must(inmail.advanceClock({ client: operator, body: { advance: later } }));
const expired = (await refusal(410, inmail.openInMail({ client: of('emil'), path: { id: idOf('emil') } }))).code;

const statuses: Partial<Record<Status, number>> = {};
for (const s of (await must(inmail.listSent({ client: ada, query: { tag } }))).items) {
  statuses[s.status] = (statuses[s.status] ?? 0) + 1;
}
const rates = await must(inmail.getAnalytics({ client: ada, query: { by: 'tag' } }));
const total = (figure: 'delivered' | 'opened' | 'replied' | 'retracted') => rates.rows.reduce((n, row) => n + row[figure], 0);

const counted: EventKind[] = ['inmail.sent', 'inmail.replied', 'inmail.retracted'];
const events: Partial<Record<EventKind, number>> = {};
let about = 0;
for (let after: string | undefined, more = true; more; ) {
  const page = await must(inmail.listEvents({ client: ada, query: { after } }));
  for (const e of page.items.filter((e) => counted.includes(e.type))) {
    events[e.type] = (events[e.type] ?? 0) + 1;
    if ('id' in e.data && e.data.id !== '') about++;
  }
  more = page.more;
  after = page.after ?? undefined;
}

console.log(JSON.stringify({
  refused, unknown, preflight, statuses, expired, inbox: inbox.items.length, reply: conversation.items[0]?.body,
  undone: retraction.undone, second_time: secondTime, delivered: total('delivered'), opened: total('opened'),
  replied: total('replied'), retracted: total('retracted'), events, events_about: about,
}));
