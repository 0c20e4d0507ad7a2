-- Each part of an InMail that a CRM lacks has its own failure: the search for its person, its record, its Tasks.

-- +goose Up
ALTER TABLE crm_links ADD COLUMN failures TEXT NOT NULL DEFAULT ''; -- by part, a JSON object; '': nothing failed

-- A link had one failure. It is the record's, unless the CRM has the newest state of the InMail: then a Task failed.
UPDATE crm_links SET failures = '{"record":{"class":"' || class || '","detail":"' || replace(detail, '"', '') || '","attempts":' || attempts ||
	',"failed_at":"' || /*sqlite strftime('%Y-%m-%dT%H:%M:%fZ', failed_at / 1000.0, 'unixepoch')*/
	/*postgres to_char(to_timestamp(failed_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')*/ || '","dead":' ||
	CASE WHEN dead = TRUE THEN 'true' ELSE 'false' END || '}}'
WHERE failed_at IS NOT NULL AND class <> '';
UPDATE crm_links SET failures = replace(failures, '{"record":{', CASE WHEN notes LIKE '%"sent_task":"there"%' THEN '{"replied_task":{"object":"Task",'
	ELSE '{"sent_task":{"object":"Task",' END)
WHERE failures <> '' AND crm = 'salesforce' AND record_id <> '' AND match_state = 'Matched' AND
	pushed_version = (SELECT i.version FROM inmails i WHERE i.id = crm_links.inmail);
