"""The loop: one file per stage, in order. The only room that joins rooms; a stage calls them and computes nothing."""
