#!/bin/sh
# Makes the secrets of docker-compose.yml, each in a file of its own in ./secrets. What is there already is kept.
#   sh deploy/make-secrets.sh
set -eu
cd "$(dirname "$0")/.."
mkdir -p -m 700 secrets
cd secrets
# The folder is closed; the files are open, because each container reads its own under another user.
umask 022
password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() {
    if [ ! -s "$1" ]; then
        cat > "$1.new"
        mv "$1.new" "$1"
        echo "made secrets/$1"
    else
        cat > /dev/null
    fi
}
password | keep postgres_owner_password
password | keep postgres_app_password
password | keep replication_password
password | keep patroni_password
password | keep redis_password
password | keep jwt_secret
password | keep grafana_password
head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' | keep token_keys
printf 'ops:%s' "$(password)" | keep flower_basic_auth

nodes=postgres1:5432,postgres2:5432,postgres3:5432
redis=$(cat redis_password)
printf 'postgresql://fairboard:%s@%s/fairboard' "$(cat postgres_owner_password)" "$nodes" | keep migration_database_url
printf 'postgresql://fairboard_app_login:%s@%s/fairboard' "$(cat postgres_app_password)" "$nodes" | keep database_url
printf 'redis+sentinel://:%s@sentinel1:26379,sentinel2:26379,sentinel3:26379/0?master=board' "$redis" | keep redis_url
printf 'redis://:%s@broker:6379/0' "$redis" | keep broker_url
printf 'requirepass %s\nmasterauth %s\n' "$redis" "$redis" | keep valkey_auth
printf 'requirepass %s\nsentinel sentinel-pass %s\nsentinel auth-pass board %s\n' "$redis" "$redis" "$redis" | keep sentinel_auth
