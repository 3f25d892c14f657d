"""The rules: accounts, action tokens, limits, scoring, board, anti-cheat and review. No HTTP and no task queue."""
