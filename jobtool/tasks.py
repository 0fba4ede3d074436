"""The commands by task, as the help lists them."""

TASKS = {
    "Tag postings": ("demo", "train", "tag", "evaluate", "promise", "info"),
    "Bring in and take out": ("import", "export", "tags"),
    "Label postings": ("label", "suspects", "agreement", "history", "labels"),
    "Retrain and watch": ("status", "retrain", "models", "drift"),
    "Match candidates and jobs": ("match",),
    "Look after the database": ("db", "audit", "forget"),
}
"""Heading -> names of commands."""
