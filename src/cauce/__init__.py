"""Cauce keeps machine-learning models alive."""
