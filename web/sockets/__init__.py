"""The live board over WebSocket."""
