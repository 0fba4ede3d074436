"""Who applies to what, ranked. Empty so far: prediction of applications comes with a later release."""
