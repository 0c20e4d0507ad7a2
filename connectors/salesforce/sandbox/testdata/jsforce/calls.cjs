// calls.cjs: logs jsforce in to the sandbox whose address is the first argument, makes the
// calls that integrations make, and prints what came of each as one JSON object.
'use strict';
const jsforce = require('jsforce');

const [url] = process.argv.slice(2);
const version = '67.0';
const out = {};

// call runs one call and keeps what it gave, or the code that refused it.
async function call(name, run) {
  try {
    out[name] = await run();
  } catch (err) {
    out[name] = { refused: err.errorCode || err.name, message: String(err.message).split('\n')[0] };
  }
  return out[name];
}

const outcome = (r) => (r.success ? { success: true, created: r.created } : { success: false, code: r.errors[0].statusCode, fields: r.errors[0].fields });

async function main() {
  const oauth2 = { loginUrl: url, clientId: 'app', clientSecret: 'app secret' };
  const conn = new jsforce.Connection({ oauth2, version, instanceUrl: url });
  await call('authorize', async () => {
    const user = await conn.authorize({ grant_type: 'client_credentials' });
    return { user: user.id.length, org: user.organizationId.length };
  });
  await call('passwordLogin', async () => {
    const other = new jsforce.Connection({ oauth2, version });
    await other.login('integration@example.com', 'passtoken');
    return { same: other.userInfo.id === conn.userInfo.id };
  });
  await call('soapLogin', async () => {
    const soap = new jsforce.Connection({ loginUrl: url, version: '64.0' });
    const user = await soap.login('integration@example.com', 'passtoken');
    const found = (await soap.query('SELECT Id FROM User')).totalSize;
    await soap.logout();
    return { same: user.id === conn.userInfo.id, found };
  });
  await call('soapLoginSince65', () => new jsforce.Connection({ loginUrl: url, version: '65.0' }).login('integration@example.com', 'passtoken'));
  await call('soapLoginWrong', () => new jsforce.Connection({ loginUrl: url, version: '64.0' }).login('integration@example.com', 'wrong'));
  await call('identity', async () => ({ username: (await conn.identity()).username }));

  const lead = await call('create', () => conn.sobject('Lead').create({ LastName: 'Doe', Company: 'ACME', Email: 'doe@example.com' }));
  const id = lead.id;
  delete lead.id;
  out.createId = id.length;
  await call('retrieve', async () => {
    const r = await conn.sobject('Lead').retrieve(id);
    return { type: r.attributes.type, url: r.attributes.url === `/services/data/v${version}/sobjects/Lead/${id}`, Name: r.Name, CreatedDate: r.CreatedDate };
  });
  await call('update', async () => outcome(await conn.sobject('Lead').update({ Id: id, Title: 'CTO' })));
  await call('createWithoutRequired', () => conn.sobject('Lead').create({ FirstName: 'X' }));
  await call('createUnknownField', () => conn.sobject('Lead').create({ LastName: 'X', Company: 'Y', Nope__c: 1 }));

  const rows = Array.from({ length: 250 }, (_, i) => ({ InMail_Id__c: `id-${String(i).padStart(4, '0')}`, Status__c: 'Queued', Status_Sequence__c: 1, Replies__c: i }));
  await call('upsertOne', async () => outcome(await conn.sobject('InMail__c').upsert(rows[0], 'InMail_Id__c')));
  await call('upsertOneAgain', async () => outcome(await conn.sobject('InMail__c').upsert(rows[0], 'InMail_Id__c')));
  await call('upsertMany', async () => {
    const results = await conn.sobject('InMail__c').upsert(rows, 'InMail_Id__c', { allowRecursive: true });
    return { rows: results.length, created: results.filter((r) => r.created).length, success: results.every((r) => r.success) };
  });
  await call('upsertTwice', async () => (await conn.sobject('InMail__c').upsert([{ InMail_Id__c: 'x' }, { InMail_Id__c: 'X' }], 'InMail_Id__c')).map(outcome));
  await call('upsertTooMany', () => conn.requestPatch(`/composite/sobjects/InMail__c/InMail_Id__c`, { records: rows.slice(0, 201).map((r) => ({ attributes: { type: 'InMail__c' }, ...r })) }));
  const stored = await conn.query("SELECT Id FROM InMail__c ORDER BY InMail_Id__c LIMIT 3");
  const ids = stored.records.map((r) => r.Id);
  await call('updateMany', async () => (await conn.sobject('InMail__c').update([{ Id: ids[0], Status__c: 'Sent' }, { Id: ids[1], Status__c: 'Nope' }, { Id: ids[2], Status_Sequence__c: 0 }])).map(outcome));
  await call('updateManyAllOrNone', async () =>
    (await conn.sobject('InMail__c').update([{ Id: ids[0], Status__c: 'Opened' }, { Id: ids[1], Status__c: 'Nope' }], { allOrNone: true })).map(outcome));
  await call('retrieveMany', async () => (await conn.sobject('InMail__c').retrieve([ids[1], ids[0]])).map((r) => [r.InMail_Id__c, r.Status__c, r.Status_Sequence__c]));
  await call('createMany', async () => (await conn.sobject('Account').create([{ Name: 'A' }, { Phone: '1' }])).map(outcome));

  await call('query', async () => {
    const r = await conn.query("SELECT Id, Name, Owner.Name, LastModifiedDate FROM Lead WHERE Email = 'DOE@EXAMPLE.COM'");
    return { total: r.totalSize, done: r.done, name: r.records[0].Name, owner: r.records[0].Owner.Name, owned: r.records[0].Owner.attributes.type };
  });
  await call('count', async () => (await conn.query('SELECT COUNT() FROM InMail__c')).totalSize);
  await call('groupBy', async () => (await conn.query('SELECT Status__c, COUNT(Id) n FROM InMail__c GROUP BY Status__c ORDER BY Status__c')).records.map((r) => [r.Status__c, r.n]));
  await call('find', async () => (await conn.sobject('InMail__c').find({ Replies__c: { $gte: 248 } }, { InMail_Id__c: 1, Replies__c: 1 }).sort({ Replies__c: -1 }).limit(5)).map((r) => [r.InMail_Id__c, r.Replies__c]));
  await call('queryMore', async () => {
    const got = [];
    let page = await conn.query('SELECT InMail_Id__c FROM InMail__c ORDER BY InMail_Id__c', { headers: { 'Sforce-Query-Options': 'batchSize=200' } });
    got.push(...page.records);
    while (!page.done) {
      page = await conn.queryMore(page.nextRecordsUrl);
      got.push(...page.records);
    }
    return { rows: got.length, last: got[got.length - 1].InMail_Id__c };
  });
  await call('malformedQuery', () => conn.query('SELECT Id FROM Lead WHERE'));
  await call('unknownColumn', () => conn.query('SELECT Nope__c FROM Lead'));

  await call('describe', async () => {
    const d = await conn.sobject('InMail__c').describe();
    const key = d.fields.find((f) => f.name === 'InMail_Id__c');
    return { prefix: d.keyPrefix.length, unique: key.unique, externalId: key.externalId, length: key.length, nillable: key.nillable };
  });
  await call('describeGlobal', async () => (await conn.describeGlobal()).sobjects.map((o) => o.name));
  await call('limits', async () => Object.keys((await conn.limits()).DailyApiRequests).sort());
  await call('limitInfo', async () => conn.limitInfo.apiUsage.limit);
  await call('composite', async () => {
    const base = `/services/data/v${version}/sobjects`;
    const r = await conn.requestPost('/composite', { allOrNone: true, compositeRequest: [
      { method: 'POST', url: `${base}/Account`, referenceId: 'acc', body: { Name: 'B' } },
      { method: 'POST', url: `${base}/Contact`, referenceId: 'con', body: { LastName: 'C', AccountId: '@{acc.id}' } },
      { method: 'GET', url: `${base}/Contact/@{con.id}?fields=AccountId`, referenceId: 'got' }] });
    const [acc, , got] = r.compositeResponse;
    return { status: r.compositeResponse.map((s) => s.httpStatusCode), linked: got.body.AccountId === acc.body.id };
  });
  await call('bulk', async () => {
    const input = [{ InMail_Id__c: 'bulk-1', Status__c: 'Sent', Subject__c: null }, { InMail_Id__c: 'bulk-2', Status__c: 'Nope', Subject__c: 's' }];
    const r = await conn.bulk2.loadAndWaitForResults({ object: 'InMail__c', operation: 'upsert', externalIdFieldName: 'InMail_Id__c', input, pollInterval: 10, pollTimeout: 60000 });
    return { ok: r.successfulResults.map((s) => [s.InMail_Id__c, s.sf__Created]), failed: r.failedResults.map((f) => [f.InMail_Id__c, f.sf__Error.split(':')[0]]), rest: r.unprocessedRecords.length };
  });
  await call('bulkQuery', async () => (await (await conn.bulk2.query("SELECT InMail_Id__c FROM InMail__c WHERE InMail_Id__c LIKE 'bulk%'", { pollInterval: 10, pollTimeout: 60000 })).toArray()).map((r) => r.InMail_Id__c));
  await call('deleteMany', async () => (await conn.sobject('InMail__c').destroy([ids[0], ids[0]])).map(outcome));
  await call('delete', async () => outcome(await conn.sobject('Lead').destroy(id)));
  await call('retrieveDeleted', () => conn.sobject('Lead').retrieve(id));
  await call('queryAll', async () => (await conn.query(`SELECT Id, IsDeleted FROM Lead WHERE Id = '${id}'`, { scanAll: true })).records.map((r) => r.IsDeleted));
  await call('queryDeleted', async () => (await conn.query(`SELECT Id FROM Lead WHERE Id = '${id}'`)).totalSize);
  await call('logout', async () => {
    const token = conn.accessToken;
    await conn.logout();
    const after = new jsforce.Connection({ instanceUrl: url, accessToken: token, version });
    return after.query('SELECT Id FROM User');
  });
  process.stdout.write(JSON.stringify(out, null, 1) + '\n');
}

main().catch((err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(1);
});
