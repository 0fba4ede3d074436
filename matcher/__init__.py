"""Who applies to what, ranked: models on the codes of jobs and on what candidates did."""
