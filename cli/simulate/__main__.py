"""`python -m cli.simulate`, for where the `fairboard` command is not installed."""

from __future__ import annotations

from cli.simulate.command import simulate

simulate()
