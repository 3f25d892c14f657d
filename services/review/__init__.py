"""Review: what analysts see of a player who was flagged, and what they decide."""
