"""What is stored: tables, engines and migrations."""
