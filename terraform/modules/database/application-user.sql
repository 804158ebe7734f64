-- The application's user: it reads and writes rows of the schema public, and nothing else. May be run again.
--
--   psql "host=HOST dbname=berthcare user=berthcare_admin sslmode=verify-full sslrootcert=global-bundle.pem" \
--     --set=application_user=berthcare_app --set=ON_ERROR_STOP=1 --single-transaction --file=application-user.sql
--
-- The password is given afterwards by \password, which sends a SCRAM verifier: in a statement it would be in
-- PostgreSQL's log, since log_statement = ddl writes ALTER ROLE down as it came.
--
-- Whoever runs this owns the tables: migrations run as the same user, so that default privileges reach what they make.

SELECT format('CREATE ROLE %I', :'application_user')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'application_user') \gexec

ALTER ROLE :"application_user" WITH
  LOGIN NOCREATEDB NOCREATEROLE INHERIT;

-- Whatever somebody has put it into: a member of rds_superuser could do anything.
SELECT format('REVOKE %I FROM %I', of.rolname, :'application_user')
  FROM pg_auth_members AS membership
  JOIN pg_roles AS of ON of.oid = membership.roleid
  JOIN pg_roles AS who ON who.oid = membership.member
 WHERE who.rolname = :'application_user' \gexec

-- Up to PostgreSQL 14 everybody may make tables, and functions that others then call, in public.
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'application_user') \gexec
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO :"application_user";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO :"application_user";
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO :"application_user";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"application_user";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO :"application_user";
