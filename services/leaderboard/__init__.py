"""The board: PostgreSQL's standings, kept ready in Redis and pushed to everyone who watches."""
