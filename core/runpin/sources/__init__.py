"""Where configuration comes from: a Git repository, or a plain folder for trying things out."""
