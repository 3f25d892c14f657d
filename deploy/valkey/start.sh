#!/bin/sh
# Starts Valkey, or a Sentinel, on a configuration of its own: both write into it whom they follow, so it is made once and
# then kept. The same in docker-compose.yml and in `make cluster`.
#   VALKEY_FILE    board.conf, broker.conf or sentinel.conf beside this script
#   VALKEY_HOME    the server's folder
#   VALKEY_BIND, VALKEY_PORT, VALKEY_NAME    where it listens, and how others call its host
#   VALKEY_MASTER  host and port of the one that is the board's master in the beginning
#   VALKEY_AUTH    a file with the lines that hold passwords
set -eu
umask 077
own="$VALKEY_HOME/$VALKEY_FILE"

lines() {
    printf 'bind %s\nport %s\ndir "%s"\n' "$VALKEY_BIND" "$VALKEY_PORT" "$VALKEY_HOME"
    case "$VALKEY_FILE" in
        sentinel.conf)
            printf 'sentinel announce-ip %s\nsentinel announce-port %s\n' "$VALKEY_NAME" "$VALKEY_PORT"
            printf 'sentinel monitor board %s 2\n' "$VALKEY_MASTER"
            ;;
        board.conf)
            printf 'replica-announce-ip %s\nreplica-announce-port %s\n' "$VALKEY_NAME" "$VALKEY_PORT"
            [ "$VALKEY_MASTER" = "$VALKEY_NAME $VALKEY_PORT" ] || printf 'replicaof %s\n' "$VALKEY_MASTER"
            ;;
    esac
    cat "${0%/*}/$VALKEY_FILE" "$VALKEY_AUTH"
}

if [ ! -e "$own" ]; then
    lines > "$own.new"
    mv "$own.new" "$own"
fi
case "$VALKEY_FILE" in sentinel.conf) set -- --sentinel ;; *) set -- ;; esac
exec "${VALKEY_SERVER:-valkey-server}" "$own" "$@"
