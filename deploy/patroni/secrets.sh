# Read by start.sh and run.sh: the passwords of PostgreSQL's container, from files, and how to reach the primary.
secret() { cat "/run/secrets/$1"; }
PATRONI_SUPERUSER_PASSWORD=$(secret postgres_owner_password)
PATRONI_REPLICATION_PASSWORD=$(secret replication_password)
PATRONI_RESTAPI_PASSWORD=$(secret patroni_password)
export PATRONI_SUPERUSER_PASSWORD PATRONI_REPLICATION_PASSWORD PATRONI_RESTAPI_PASSWORD
