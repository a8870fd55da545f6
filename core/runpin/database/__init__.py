"""One SQL database, SQLite or PostgreSQL, that holds snapshots, channels, pins and their history."""
