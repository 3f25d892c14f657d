"""`make evaluate`: how many cheats the detectors find, how fast, and how many honest players they flag."""
