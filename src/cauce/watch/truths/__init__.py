"""How good the model is: estimates before the truths come, realised losses once they have, and whether both agree."""
