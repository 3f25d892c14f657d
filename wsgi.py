"""The web application for gunicorn: `gunicorn --config python:web.gunicorn_conf wsgi:app`."""

from config import tracing
from config.logging import configure_logging
from config.settings import get_settings
from web.app import create_app

configure_logging(get_settings().log_level, get_settings().log_format, "web")
tracing.start(get_settings(), "web")
app = create_app(get_settings())
