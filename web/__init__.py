"""The synchronous edge: HTTP and WebSocket in, problem+json or frames out."""
