"""Looking at how someone plays: patterns that no person shows, found after the fact and explained."""
