#!/bin/sh
# Lets Prometheus's own tool check its configuration and the alert rules:  sh deploy/promtool.sh
# Uses promtool from the PATH; on Debian it otherwise unpacks that of the package `prometheus` into .venv, without root.
set -eu
cd "$(dirname "$0")/.."
unpacked=.venv/prometheus

if command -v promtool >/dev/null; then
    promtool=promtool
else
    promtool=$unpacked/usr/bin/promtool
    if [ ! -x "$promtool" ]; then
        command -v apt-get >/dev/null || { echo "promtool was not found; install Prometheus." >&2; exit 1; }
        mkdir -p "$unpacked"
        (cd "$unpacked" && apt-get download prometheus >/dev/null 2>&1 && dpkg -x prometheus_*.deb . && rm prometheus_*.deb) ||
            { echo "promtool was not found, and apt-get could not download the package prometheus." >&2; exit 1; }
    fi
fi
"$promtool" check config deploy/prometheus/prometheus.yml
"$promtool" check rules deploy/prometheus/alerts.yml
"$promtool" test rules deploy/prometheus/tests/alerts.yml
