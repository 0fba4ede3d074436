"""Who applies to what, ranked. Empty so far: apply prediction comes with a later release."""
