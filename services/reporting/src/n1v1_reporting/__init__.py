"""reporting: hears everything that happens to an account, keeps it, and answers questions about it."""
