"""Where the command begins; `python -m jobtool` runs it."""
