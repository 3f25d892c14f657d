# One image for every part of Fairboard; docker-compose.yml gives each container its command.
#
#   docker build -t fairboard .

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
WORKDIR /app
# Requirements change less often than code, so they have a layer of their own.
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/venv/bin/pip install --require-hashes -r requirements/runtime.txt
COPY . .
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/venv/bin/python -m compileall -q /app

FROM python:3.13-slim
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
