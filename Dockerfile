# Two images: `fairboard` for every part of Fairboard, and `patroni` for PostgreSQL's nodes. docker-compose.yml builds both.
#
#   docker build --target fairboard -t fairboard .
#   docker build --target patroni -t fairboard-postgres .

FROM python:3.13.7-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /app
# Requirements change less often than code, so they have a layer of their own.
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/venv/bin/pip install --require-hashes -r requirements/runtime.txt
COPY . .
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/venv/bin/python -m compileall -q /app \
    && chmod -R go+rX /app

FROM postgres:18.4-bookworm AS patroni-build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/venv
COPY requirements/patroni.txt requirements/patroni.txt
RUN /opt/venv/bin/pip install --require-hashes -r requirements/patroni.txt

FROM postgres:18.4-bookworm AS patroni
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 700 /var/lib/fairboard
COPY --from=patroni-build /opt/venv /opt/venv
# Other users read it, whatever umask the checkout was made under.
COPY --chmod=755 deploy/patroni /etc/patroni
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER postgres
EXPOSE 5432 8008
ENTRYPOINT []
# The image's own is SIGINT, for PostgreSQL; Patroni hands over and ends it by itself.
STOPSIGNAL SIGTERM
CMD ["sh", "/etc/patroni/start.sh"]

FROM python:3.13.7-slim-bookworm AS fairboard
# The data folder holds beat's schedule and web's counters. But for it and /tmp, all of the system can be read-only.
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fairboard \
    && install -d -o fairboard -g fairboard /var/lib/fairboard
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    FAIRBOARD_DATA_DIR=/var/lib/fairboard FAIRBOARD_HOST=0.0.0.0
WORKDIR /app
USER fairboard
EXPOSE 8000 5555
CMD ["gunicorn", "--config", "python:web.gunicorn_conf", "wsgi:app"]
