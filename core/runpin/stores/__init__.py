"""Where published snapshots and channels are kept, and what this host remembers of them."""
