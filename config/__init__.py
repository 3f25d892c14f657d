"""Typed settings, the catalogue of actions and logging: the floor that everything else stands on."""
