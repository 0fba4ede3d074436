"""Jobs, tags, labels, models and events in SQL; knows nothing of Keras or of how tags are learned.

What tags and what trains is handed over by the caller; see `db.labelling` and `db.retrain`.
"""
