// normal.cjs: makes the 52 calls of a normal jsforce client against the sandbox whose address is the first argument, and
// prints what came of each as one JSON object: true, or the reason why not.
'use strict';
const jsforce = require('jsforce');

const [url] = process.argv.slice(2);
const out = {};
const check = (ok, what) => {
  if (!ok) throw new Error(`unexpected: ${JSON.stringify(what)}`);
};

async function call(name, run) {
  try {
    await run();
    out[name] = true;
  } catch (err) {
    out[name] = `${err.errorCode || err.name}: ${String(err.message).trim().split('\n').pop()}`;
  }
}

async function main() {
  const conn = new jsforce.Connection({ oauth2: { loginUrl: url, clientId: 'app', clientSecret: 'app secret' }, version: '67.0', instanceUrl: url });
  conn.metadata.pollInterval = 10;
  const start = new Date(Date.parse('2026-11-23T08:00:00Z'));
  const end = new Date(Date.parse('2026-11-23T12:00:00Z'));
  await call('authorize', () => conn.authorize({ grant_type: 'client_credentials' }));
  await call('identity', async () => check((await conn.identity()).username));
  await call('describeGlobal', async () => check((await conn.describeGlobal()).sobjects.length > 5));
  await call('describe', async () => check((await conn.sobject('Lead').describe()).fields.length > 20));
  await call('layouts', async () => check((await conn.sobject('Lead').layouts()).layouts.length === 1));
  await call('compactLayouts', async () => check((await conn.sobject('Lead').compactLayouts()).compactLayouts.length === 1));
  await call('approvalLayouts', async () => check((await conn.sobject('Lead').approvalLayouts()).approvalLayouts.length === 0));
  await call('tabs', async () => check((await conn.tabs()).some((t) => t.sobjectName === 'InMail__c')));
  await call('recent', async () => check((await conn.recent()).length === 0));
  await call('limits', async () => check((await conn.limits()).DailyApiRequests.Max));

  let id, ids;
  await call('create', async () => { id = (await conn.sobject('Lead').create({ LastName: 'Doe', Company: 'ACME', Email: 'doe@example.com' })).id; check(id); });
  await call('createNumberAsText', async () => check((await conn.sobject('Account').create({ Name: 'ACME', NumberOfEmployees: '250', AnnualRevenue: '1000000' })).success));
  const account = ((await conn.query("SELECT Id FROM Account")).records[0] || {}).Id;
  await call('createMany', async () => { ids = (await conn.sobject('Contact').create([{ LastName: 'A', AccountId: account }, { LastName: 'B', AccountId: account }, { LastName: 'C' }])).map((r) => r.id); check(ids.every(Boolean), ids); });
  await call('retrieve', async () => check((await conn.sobject('Lead').retrieve(id)).Name === 'Doe'));
  await call('retrieveMany', async () => check((await conn.sobject('Contact').retrieve(ids)).length === 3));
  await call('update', async () => check((await conn.sobject('Lead').update({ Id: id, Title: 'CTO' })).success));
  await call('updateMany', async () => check((await conn.sobject('Contact').update(ids.map((Id) => ({ Id, Title: 'CEO' })))).every((r) => r.success)));
  await call('upsert', async () => check((await conn.sobject('InMail__c').upsert({ InMail_Id__c: 'one', Status__c: 'Sent', Lead__c: id, Sent_At__c: '2026-11-23T09:00:00Z' }, 'InMail_Id__c')).created));
  await call('upsertMany', async () => check((await conn.sobject('InMail__c').upsert([{ InMail_Id__c: 'one', Replies__c: '1' }, { InMail_Id__c: 'two' }], 'InMail_Id__c')).every((r) => r.success)));
  await call('tree', async () => check(!(await conn.requestPost('/composite/tree/Account', { records: [{ attributes: { type: 'Account', referenceId: 'a' }, Name: 'Tree' }] })).hasErrors));
  await call('composite', async () => check((await conn.requestPost('/composite', { compositeRequest: [{ method: 'GET', url: '/services/data/v67.0/limits', referenceId: 'l' }] })).compositeResponse[0].httpStatusCode === 200));

  await call('query', async () => check((await conn.query("SELECT Id, Owner.Name FROM Lead WHERE Email = 'doe@example.com'")).totalSize === 1));
  await call('queryColumns', async () => check((await conn.request(`/services/data/v67.0/query?q=${encodeURIComponent('SELECT Id, Account.Name FROM Contact')}&columns=true`)).columnMetadata.length === 2));
  await call('queryAutoFetch', async () => check((await conn.query('SELECT Id FROM Contact').execute({ autoFetch: true, maxFetch: 10 })).records.length === 3));
  await call('count', async () => check((await conn.sobject('Contact').count({ Title: 'CEO' })) === 3));
  await call('find', async () => check((await conn.sobject('Contact').find({ Title: { $like: 'C%' } }, ['Id', 'LastName']).sort('-LastName').limit(2).skip(1)).length === 2));
  await call('findOne', async () => check((await conn.sobject('Contact').findOne({ LastName: 'A' })).Id === ids[0]));
  await call('select', async () => check((await conn.sobject('Lead').select('Id, Name').where({ Company: 'ACME' }).orderby('Name').limit(1).execute()).length === 1));
  await call('include', async () => {
    const found = await conn.sobject('Account').select('Name').include('Contacts').select('LastName').orderby('LastName').end().where({ Name: 'ACME' }).execute();
    check(found[0].Contacts.records.map((r) => r.LastName).join('') === 'AB', found);
  });
  await call('semiJoin', async () => check((await conn.query('SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact)')).totalSize === 1));
  await call('antiJoin', async () => check((await conn.query('SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)')).totalSize === 1));
  await call('dateFunction', async () => check((await conn.query('SELECT Id FROM Lead WHERE CALENDAR_YEAR(CreatedDate) = 2026 AND DAY_ONLY(CreatedDate) = TODAY')).totalSize === 1));
  await call('groupByDate', async () => check((await conn.query('SELECT CALENDAR_MONTH(CreatedDate) m, COUNT(Id) n FROM Contact GROUP BY CALENDAR_MONTH(CreatedDate)')).records[0].m === 11));
  await call('dateLiteral', async () => check((await conn.query('SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS:30')).totalSize === 1));
  await call('queryOrganization', async () => check((await conn.query('SELECT Id, Name, IsSandbox, OrganizationType, InstanceName FROM Organization')).records[0].IsSandbox));
  await call('queryPermissionSets', async () => check((await conn.query("SELECT Id, Name, (SELECT Assignee.Username FROM Assignments) FROM PermissionSet WHERE Name LIKE 'InMail%'")).totalSize >= 3));
  await call('assignPermissionSet', async () => {
    const set = (await conn.query("SELECT Id FROM PermissionSet WHERE Name = 'InMail_Integration'")).records[0].Id;
    check((await conn.sobject('PermissionSetAssignment').create({ AssigneeId: conn.userInfo.id, PermissionSetId: set })).success);
  });
  await call('updated', async () => check((await conn.sobject('Lead').updated(start, end)).ids.length === 1));
  await call('destroy', async () => check((await conn.sobject('Lead').destroy(id)).success));
  await call('destroyMany', async () => check((await conn.sobject('Contact').destroy(ids)).every((r) => r.success)));
  await call('deleted', async () => check((await conn.sobject('Lead').deleted(start, end)).deletedRecords.length === 1));
  await call('queryAll', async () => check((await conn.query('SELECT Id FROM Lead WHERE IsDeleted = true', { scanAll: true })).totalSize === 1));
  await call('bulk2Load', async () => check((await conn.bulk2.loadAndWaitForResults({ object: 'Lead', operation: 'insert', input: [{ LastName: 'Bulk', Company: 'B' }], pollInterval: 10, pollTimeout: 60000 })).successfulResults.length === 1));
  await call('bulk2Query', async () => check((await (await conn.bulk2.query("SELECT LastName FROM Lead WHERE LastName = 'Bulk'", { pollInterval: 10, pollTimeout: 60000 })).toArray()).length === 1));

  await call('metadataDescribe', async () => check((await conn.metadata.describe('67.0')).metadataObjects.some((o) => o.xmlName === 'Layout')));
  await call('metadataList', async () => check((await conn.metadata.list([{ type: 'Layout' }], '67.0')).length > 3));
  await call('metadataRead', async () => check((await conn.metadata.read('Layout', 'Lead-Lead Layout')).layoutSections));
  await call('metadataRetrieve', async () => check((await conn.metadata.retrieve({ apiVersion: '67.0', singlePackage: true, unpackaged: { types: [{ name: 'Layout', members: ['*'] }], version: '67.0' } }).complete()).success === true));

  await call('search', async () => check((await conn.search('FIND {Bulk} IN ALL FIELDS RETURNING Lead(Id)')).searchRecords.length === 1));
  await call('toolingQuery', async () => check((await conn.tooling.query('SELECT Id FROM ApexClass')).totalSize === 0));
  await call('bulk1Load', async () => check((await conn.bulk.load('Lead', 'insert', [{ LastName: 'One', Company: 'B' }])).length === 1));
  await call('quickActions', async () => check((await conn.quickActions()).length >= 0));
  process.stdout.write(JSON.stringify(out, null, 1) + '\n');
}

main().catch((err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(1);
});
