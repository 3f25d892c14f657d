#!/bin/sh
# Starts Valkey, or a Sentinel, on a configuration of its own: both write into it whom they follow, so it is made once and
# then kept. The same in docker-compose.yml and in `make cluster`.
#   VALKEY_FILE   board.conf, broker.conf or sentinel.conf beside this script
#   VALKEY_HOME   the server's folder
#   VALKEY_LINES  lines that are the server's own: its port, whom it follows
#   VALKEY_AUTH   a file with the lines that hold passwords
set -eu
umask 077
own="$VALKEY_HOME/$VALKEY_FILE"
if [ ! -e "$own" ]; then
    { cat "${0%/*}/$VALKEY_FILE"; printf '%s\n' "$VALKEY_LINES"; cat "$VALKEY_AUTH"; } > "$own.new"
    mv "$own.new" "$own"
fi
case "$VALKEY_FILE" in sentinel.conf) set -- --sentinel ;; *) set -- ;; esac
exec "${VALKEY_SERVER:-valkey-server}" "$own" "$@"
