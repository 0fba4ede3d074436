"""Jobs, tags and labels in SQL. Empty so far: the store comes with a later release."""
