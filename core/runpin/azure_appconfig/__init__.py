"""One Azure App Configuration store, spoken to through the vendor's client, that holds snapshots and channels."""
