#!/bin/sh
# Runs patronictl, psql, pg_dump or pg_restore in a container, logged in as the owner; on any node it reaches the primary.
#   docker compose exec postgres1 sh /etc/patroni/run.sh patronictl list
set -eu
. /etc/patroni/secrets.sh
export PATRONICTL_CONFIG_FILE=/etc/patroni/patroni.yml
export PGHOST=postgres1,postgres2,postgres3 PGTARGETSESSIONATTRS=read-write
export PGUSER="$PATRONI_SUPERUSER_USERNAME" PGPASSWORD="$PATRONI_SUPERUSER_PASSWORD" PGDATABASE=fairboard
exec "$@"
