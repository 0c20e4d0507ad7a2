// calls.cjs: drives the sandbox by HubSpot's official client, and holds every body that the connector sent or got
// against the client's own models. Its argument is a file with the address, the token, what the connector wrote, and
// the bodies. It prints what failed and how many calls and bodies there were, as one JSON object.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { Client } = require('@hubspot/api-client');

const given = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const client = new Client({ accessToken: given.token, basePath: given.url, numberOfApiCallRetries: 0 });
const out = { calls: 0, bodies: 0, failed: [] };
const codegen = path.join(path.dirname(require.resolve('@hubspot/api-client')), 'lib', 'codegen', 'crm');
const folder = fs.existsSync(codegen) ? codegen : path.join(path.dirname(require.resolve('@hubspot/api-client')), 'codegen', 'crm');

// call makes one call by the client and checks what came of it.
async function call(name, run, check) {
  out.calls++;
  try {
    await check(await run());
  } catch (err) {
    out.failed.push(`${name}: ${String(err.message || err).slice(0, 600)}`);
  }
}

// refused makes one call that must be refused with a status and a category.
async function refused(name, status, category, run) {
  out.calls++;
  try {
    await run();
    out.failed.push(`${name}: was not refused`);
  } catch (err) {
    if (err.code !== status || (category && err.body.category !== category)) {
      out.failed.push(`${name}: ${err.code} ${JSON.stringify(err.body || String(err)).slice(0, 300)}`);
    }
  }
}

// required lists the properties that a model must have, which only its declaration says.
function required(models, type) {
  const file = path.join(models, `${type}.d.ts`);
  if (!fs.existsSync(file)) return [];
  return [...fs.readFileSync(file, 'utf8').matchAll(/^ {4}'(\w+)'(\?)?: /gm)].filter((m) => !m[2]).map((m) => m[1].replace(/^_/, ''));
}

// checkBody reads a body by a model and writes it again: nothing may be lost, and nothing required may lack.
function checkBody(what, part, type, text, ignored = []) {
  out.bodies++;
  const models = path.join(folder, part, 'models');
  const { ObjectSerializer } = require(path.join(models, 'ObjectSerializer'));
  const data = JSON.parse(text);
  for (const name of ignored) delete data[name];
  const again = JSON.parse(JSON.stringify(ObjectSerializer.serialize(ObjectSerializer.deserialize(data, type, ''), type, '')));
  try {
    assert.deepStrictEqual(again, data);
    const each = (value, of) => {
      for (const name of required(models, of)) assert.ok(name in value, `${of}.${name} is missing`);
    };
    each(data, type);
    for (const input of data.inputs || []) {
      const of = { BatchInputSimplePublicObjectBatchInputForCreate: 'SimplePublicObjectBatchInputForCreate',
        BatchInputSimplePublicObjectBatchInput: 'SimplePublicObjectBatchInput', BatchInputPropertyCreate: 'PropertyCreate' }[type];
      if (of) each(input, of);
    }
    for (const e of (data.errors || []).filter(() => type.endsWith('WithErrors'))) each(e, 'StandardError');
    for (const p of part === 'properties' && data.results ? data.results : []) each(p, type.includes('Group') ? 'PropertyGroup' : 'Property');
    if (/^BatchResponseSimple|WithTotalSimple/.test(type)) for (const r of data.results) each(r, 'SimplePublicObject');
  } catch (err) {
    out.failed.push(`${what} as ${type}: ${String(err.message).slice(0, 500)}`);
  }
}

const records = (object) => (['communications', 'leads'].includes(object) ? `objects/${object}` : object);

// models names the models of a call by its path: [part, request, answer].
function models(method, url) {
  const s = url.split('/').filter(Boolean).slice(1);
  const last = s.slice(3).join('/');
  if (s[0] === 'objects') {
    const part = records(s[2]);
    switch (last) {
      case 'batch/create': return [part, 'BatchInputSimplePublicObjectBatchInputForCreate', 'BatchResponseSimplePublicObject'];
      case 'batch/update': return [part, 'BatchInputSimplePublicObjectBatchInput', 'BatchResponseSimplePublicObject'];
      case 'batch/read': return [part, 'BatchReadInputSimplePublicObjectId', 'BatchResponseSimplePublicObject'];
      case 'batch/archive': return [part, 'BatchInputSimplePublicObjectId', ''];
      case 'search': return [part, 'PublicObjectSearchRequest', 'CollectionResponseWithTotalSimplePublicObjectForwardPaging'];
      case '': return [part, '', 'CollectionResponseSimplePublicObjectWithAssociationsForwardPaging'];
    }
  }
  if (s[0] === 'properties') {
    if (last === 'batch/create') return ['properties', 'BatchInputPropertyCreate', 'BatchResponseProperty'];
    if (last === 'groups') return method === 'POST' ? ['properties', 'PropertyGroupCreate', 'PropertyGroup'] : ['properties', '', 'CollectionResponsePropertyGroupNoPaging'];
    if (last === '') return method === 'POST' ? ['properties', 'PropertyCreate', 'Property'] : ['properties', '', 'CollectionResponsePropertyNoPaging'];
    return ['properties', method === 'PATCH' ? 'PropertyUpdate' : '', 'Property'];
  }
  if (s[0] === 'associations') {
    const part = 'associations/v4';
    switch (s.slice(4).join('/')) {
      case 'batch/read': case 'read': return [part, 'BatchInputPublicFetchAssociationsBatchRequest', 'BatchResponsePublicAssociationMultiWithLabel'];
      case 'batch/create': case 'create': return [part, 'BatchInputPublicAssociationMultiPost', 'BatchResponseLabelsBetweenObjectPair'];
      case 'labels': return ['associations/v4/schema', '', 'CollectionResponseAssociationSpecWithLabelNoPaging'];
      case 'batch/archive': case 'archive': return [part, 'BatchInputPublicAssociationMultiArchive', ''];
    }
  }
  if (s[0] === 'owners') return ['owners', '', 'CollectionResponsePublicOwnerForwardPaging'];
  return null;
}

function checkBodies() {
  for (const x of given.exchanges) {
    const found = models(x.Method, x.Path);
    if (!found) continue;
    const [part, request, answer] = found;
    const what = `${x.Method} ${x.Path} ${x.Status}`;
    if (request && x.Request) checkBody(`${what}, sent`, part, request, x.Request);
    if (x.Status >= 400) checkBody(`${what}, refused`, part, 'ModelError', x.Answer, ['status', 'errorType', 'policyName']);
    else if (answer && x.Answer) {
      const type = x.Answer.includes('"numErrors"') ? `${answer}WithErrors` : answer;
      checkBody(`${what}, answered`, part, type, x.Answer);
    }
  }
}

const only = (properties, names) => Object.fromEntries(names.filter((n) => properties[n] != null).map((n) => [n, properties[n]]));

async function main() {
  checkBodies();
  const comms = client.crm.objects.communications;
  const { contacts, companies, properties, owners } = client.crm;
  const names = given.names;
  const keys = Object.keys(given.wrote);

  // Every record as it was written: by list, by id, by key, by batch and by search.
  const seen = {};
  for (let after; ;) {
    let next;
    await call('list', () => comms.basicApi.getPage(100, after, names), (page) => {
      for (const r of page.results) seen[r.properties.inmail_event_id] = r;
      next = page.paging && page.paging.next.after;
    });
    if (!next) break;
    after = next;
  }
  out.calls++;
  try {
    assert.deepStrictEqual(Object.fromEntries(Object.entries(seen).map(([k, r]) => [k, only(r.properties, names)])), given.wrote);
  } catch (err) {
    out.failed.push(`the list differs: ${String(err.message).slice(0, 800)}`);
  }
  for (let i = 0; i < keys.length; i += 100) {
    const part = keys.slice(i, i + 100);
    await call('batch read by key', () => comms.batchApi.read({ properties: names, propertiesWithHistory: [], idProperty: 'inmail_event_id', inputs: part.map((id) => ({ id })) }),
      (b) => {
        assert.strictEqual(b.results.length, part.length);
        for (const r of b.results) assert.deepStrictEqual(only(r.properties, names), given.wrote[r.properties.inmail_event_id]);
      });
  }
  for (const key of keys.slice(0, 5)) {
    await call('get by key', () => comms.basicApi.getById(key, names, undefined, undefined, false, 'inmail_event_id'), (r) => assert.deepStrictEqual(only(r.properties, names), given.wrote[key]));
    await call('get by id', () => comms.basicApi.getById(seen[key].id, names), (r) => assert.ok(r.createdAt instanceof Date && r.archived === false));
  }
  await call('search', () => comms.searchApi.doSearch({ filterGroups: [{ filters: [{ propertyName: 'inmail_event_id', operator: 'EQ', value: keys[0] }] }], properties: names, limit: 10 }),
    (r) => assert.deepStrictEqual([r.total, only(r.results[0].properties, names)], [1, given.wrote[keys[0]]]));
  await call('search for all', () => comms.searchApi.doSearch({ filterGroups: [{ filters: [{ propertyName: 'inmail_event_id', operator: 'HAS_PROPERTY' }] }], properties: [], limit: 1 }), (r) => assert.strictEqual(r.total, keys.length));

  // Associations.
  const assoc = client.crm.associations.v4;
  await call('contacts of a message', () => assoc.batchApi.getPage('communications', 'contacts', { inputs: [{ id: seen[keys[0]].id }] }), (b) => assert.strictEqual(b.results[0].to[0].associationTypes[0].typeId, 81));
  await call('one by one', () => assoc.basicApi.getPage('communications', seen[keys[0]].id, 'contacts'), (b) => assert.strictEqual(b.results.length, 1));

  // Leads.
  let leadType;
  await call('the type to leads', () => assoc.schema.definitionsApi.getAll('communications', 'leads'), (r) => { leadType = r.results[0].typeId; assert.strictEqual(r.results[0].category, 'HUBSPOT_DEFINED'); });
  await call('leads', () => client.crm.objects.leads.basicApi.getPage(10, undefined, ['hs_lead_name', 'hs_lead_is_open']), (page) => {
    assert.deepStrictEqual(page.results.map((r) => r.properties.hs_lead_is_open), ['true', 'false']);
    given.open = page.results[0].id;
  });
  await call('messages of an open lead', () => assoc.batchApi.getPage('leads', 'communications', { inputs: [{ id: given.open }] }), (b) => assert.ok(b.results[0].to.length > 0));
  await call('a message by its lead', () => assoc.batchApi.getPage('communications', 'leads', { inputs: [{ id: seen[keys[0]].id }] }),
    (b) => assert.deepStrictEqual([b.results[0].to[0].toObjectId, b.results[0].to[0].associationTypes[0].typeId], [given.open, leadType]));

  // People and companies.
  let ann; let bob; let firm;
  await call('create a contact', () => contacts.basicApi.create({ properties: { email: 'ann@client.example', lastname: 'Ann' }, associations: [] }), (r) => { ann = r.id; });
  await call('create another', () => contacts.basicApi.create({ properties: { email: 'bob@client.example', lastname: 'Bob' }, associations: [] }), (r) => { bob = r.id; });
  await refused('a taken address', 409, 'CONFLICT', () => contacts.basicApi.create({ properties: { email: 'ANN@client.example' }, associations: [] }));
  await call('create a company', () => companies.basicApi.create({ properties: { name: 'Client' }, associations: [] }), (r) => { firm = r.id; });
  await call('associate', () => assoc.batchApi.create('contacts', 'companies', { inputs: [{ _from: { id: ann }, to: { id: firm }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 }] }] }), (b) => assert.strictEqual(b.results.length, 1));
  await call('by address', () => contacts.basicApi.getById('ann@client.example', ['lastname'], undefined, undefined, false, 'email'), (r) => assert.strictEqual(r.id, ann));
  await call('update', () => contacts.basicApi.update(ann, { properties: { lastname: 'Anna' } }), (r) => assert.strictEqual(r.properties.lastname, 'Anna'));
  let won;
  await call('merge', () => contacts.basicApi.merge({ primaryObjectId: ann, objectIdToMerge: bob }), (r) => { won = r.id; assert.notStrictEqual(won, ann); });
  await call('an old id answers', () => contacts.basicApi.getById(bob), (r) => assert.strictEqual(r.id, won));
  await call('the other address too', () => contacts.batchApi.read({ properties: ['email', 'hs_additional_emails'], propertiesWithHistory: [], idProperty: 'email', inputs: [{ id: 'bob@client.example' }] }),
    (b) => assert.deepStrictEqual([b.results[0].id, b.results[0].properties.hs_additional_emails], [won, 'bob@client.example']));

  // Messages: what is refused, row by row and as a whole.
  const base = (key, more) => ({ hs_communication_channel_type: 'LINKEDIN_MESSAGE', hs_communication_logged_from: 'CRM', hs_timestamp: '2026-11-23T09:00:00.000Z', inmail_event_id: key, ...more });
  const to = (id) => [{ to: { id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 81 }] }];
  let message;
  await call('create a message', () => comms.basicApi.create({ properties: base('client:1'), associations: to(won) }), (r) => { message = r.id; });
  await refused('its key again', 409, 'CONFLICT', () => comms.basicApi.create({ properties: base('client:1'), associations: to(won) }));
  await call('two and a bad one, with traces', () => comms.batchApi.create({ inputs: [
    { objectWriteTraceId: 'a', associations: to(won), properties: base('client:2') },
    { objectWriteTraceId: 'b', associations: to(won), properties: base('client:3', { inmail_status: 'nope' }) },
    { objectWriteTraceId: 'c', associations: to(won), properties: base('client:4') }] }),
  (b) => { assert.deepStrictEqual([b.results.length, b.numErrors, b.errors[0].context.objectWriteTraceId, b.errors[0].errors[0].code], [2, 1, ['b'], 'INVALID_OPTION']); });
  await refused('without traces all fall', 400, 'VALIDATION_ERROR', () => comms.batchApi.create({ inputs: [{ associations: [], properties: base('client:5') }, { associations: [], properties: base('client:6', { nope: 'x' }) }] }));
  await refused('twice in one batch', 400, 'VALIDATION_ERROR', () => comms.batchApi.create({ inputs: [{ associations: [], properties: base('client:7') }, { associations: [], properties: base('client:7') }] }));
  await refused('a read-only property', 400, 'VALIDATION_ERROR', () => comms.basicApi.create({ properties: base('client:8', { hs_unique_creation_key: 'x' }), associations: [] }));
  await refused('no channel', 400, 'VALIDATION_ERROR', () => comms.basicApi.create({ properties: { hs_timestamp: '1' }, associations: [] }));
  await refused('logged from elsewhere', 400, 'VALIDATION_ERROR', () => comms.basicApi.create({ properties: base('client:9', { hs_communication_logged_from: 'API' }), associations: [] }));
  await refused('no such time', 400, 'VALIDATION_ERROR', () => comms.basicApi.create({ properties: base('client:9', { inmail_opened_at: 'soon' }), associations: [] }));
  await refused('to a merged id', 400, 'OBJECT_NOT_FOUND', () => comms.basicApi.create({ properties: base('client:9'), associations: to(ann) }));
  await refused('a hundred and one', 400, 'VALIDATION_ERROR', () => comms.batchApi.read({ properties: [], propertiesWithHistory: [], inputs: Array.from({ length: 101 }, (_, i) => ({ id: String(i + 1) })) }));
  await refused('by a property that is not unique', 400, 'VALIDATION_ERROR', () => comms.batchApi.read({ properties: [], propertiesWithHistory: [], idProperty: 'inmail_status', inputs: [{ id: 'sent' }] }));
  await call('update of one that is gone', () => comms.batchApi.update({ inputs: [{ id: message, properties: { inmail_status: 'opened' } }, { id: '999999999', properties: { inmail_status: 'opened' } }] }),
    (b) => assert.deepStrictEqual([b.results.length, b.errors[0].category, b.errors[0].context.ids], [1, 'OBJECT_NOT_FOUND', ['999999999']]));
  await call('archive', () => comms.batchApi.archive({ inputs: [{ id: message }] }), () => {});
  await refused('an archived one', 404, 'OBJECT_NOT_FOUND', () => comms.basicApi.getById(message));
  await call('from the recycle bin', () => comms.basicApi.getById(message, ['inmail_event_id'], undefined, undefined, true), (r) => assert.ok(r.archived && r.archivedAt instanceof Date));
  await refused('it keeps its key', 409, 'CONFLICT', () => comms.basicApi.create({ properties: base('client:1'), associations: to(won) }));
  await refused('no upsert by address', 400, 'VALIDATION_ERROR', () => contacts.batchApi.upsert({ inputs: [{ id: 'x@client.example', idProperty: 'email', properties: {} }] }));
  await call('an upsert brings back', () => comms.batchApi.upsert({ inputs: [{ id: 'client:10', idProperty: 'inmail_event_id', properties: base('client:10') }] }), (b) => assert.strictEqual(b.results[0]._new, true));
  await call('gdpr', () => contacts.basicApi.purge({ objectId: won }), () => {});
  await refused('gone for ever', 404, 'OBJECT_NOT_FOUND', () => contacts.basicApi.getById(won, [], undefined, undefined, true));

  // Properties.
  await call('all properties', () => properties.coreApi.getAll('communications'), (r) => assert.strictEqual(r.results.find((p) => p.name === 'inmail_event_id').hasUniqueValue, true));
  await call('one property', () => properties.coreApi.getByName('communications', 'inmail_tags'), (p) => assert.strictEqual(p.fieldType, 'checkbox'));
  await refused('it exists', 409, 'OBJECT_ALREADY_EXISTS', () => properties.coreApi.create('communications', { name: 'inmail_tags', label: 'x', type: 'string', fieldType: 'text', groupName: 'inmail' }));
  await refused('no such group', 400, 'VALIDATION_ERROR', () => properties.coreApi.create('communications', { name: 'more', label: 'x', type: 'string', fieldType: 'text', groupName: 'nope' }));
  await call('groups', () => properties.groupsApi.getAll('contacts'), (r) => assert.ok(r.results.some((g) => g.name === 'inmail' && g.label === 'InMail')));
  await call('owners', () => owners.ownersApi.getPage(), (r) => assert.strictEqual(r.results.length, given.owners));
  const stranger = new Client({ accessToken: 'pat-other', basePath: given.url, numberOfApiCallRetries: 0 });
  await refused('another token', 401, 'INVALID_AUTHENTICATION', () => stranger.crm.contacts.basicApi.getPage());
}

main().then(() => console.log(JSON.stringify(out)), (err) => { console.error(err); process.exit(1); });
