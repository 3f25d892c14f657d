#!/bin/sh
# Run once by the PostgreSQL container, when its data folder is made: the application's roles.
# The application works as fairboard_app, which may add to the ledger and never change it; the login is a member of it.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$APP_PASSWORD" --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE fairboard_app NOLOGIN;
CREATE ROLE fairboard_app_login LOGIN PASSWORD :'password' IN ROLE fairboard_app;
SQL
