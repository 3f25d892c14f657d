"""How Fairboard is brought to machines: configuration files, and the production topology without Docker (`local`)."""
