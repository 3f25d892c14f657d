"""Drills: faults under load from real clients, and a checker that decides from what the clients were told."""
