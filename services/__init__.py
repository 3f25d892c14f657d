"""The rules, one module for each: accounts, action tokens, limits, scoring, board, anti-cheat, review. Nothing in here knows of HTTP or of task queues."""
