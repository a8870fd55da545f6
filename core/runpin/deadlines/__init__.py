"""An end for every call over the network, whichever client makes it."""
