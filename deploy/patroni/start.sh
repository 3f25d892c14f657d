#!/bin/sh
# Starts Patroni in a container.
set -eu
. /etc/patroni/secrets.sh
exec patroni /etc/patroni/patroni.yml
