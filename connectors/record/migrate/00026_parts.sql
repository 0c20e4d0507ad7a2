-- The texts of InMails are in partitions by the month of their ids on PostgreSQL. The table so far becomes the partition of whatever no
-- other takes, which reads no row of it; months are made beside it when the schema is up to date (partitions.go). A file of SQLite is
-- as it was.

-- +goose Up
-- +goose StatementBegin
/*sqlite SELECT 1;*/
/*postgres DO $$
DECLARE
	g record;
BEGIN
	IF EXISTS (SELECT FROM pg_class WHERE oid = 'texts'::regclass AND relkind = 'p') THEN
		RETURN; -- its owner has made partitions before
	END IF;
	SET LOCAL lock_timeout = '3s'; -- while it waits for the table, others wait for it
	ALTER TABLE texts RENAME TO texts_other;
	ALTER INDEX texts_pkey RENAME TO texts_other_pkey;
	CREATE TABLE texts (LIKE texts_other INCLUDING ALL) PARTITION BY RANGE (inmail);
	FOR g IN SELECT r.rolname, a.privilege_type, a.is_grantable
		FROM pg_class c, aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
		WHERE c.oid = 'texts_other'::regclass AND a.grantee <> c.relowner
	LOOP
		EXECUTE 'GRANT ' || g.privilege_type || ' ON texts TO ' || coalesce(quote_ident(g.rolname), 'PUBLIC')
			|| CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
	END LOOP;
	ALTER TABLE texts ATTACH PARTITION texts_other DEFAULT;
END $$;*/
-- +goose StatementEnd
