"""Kinds of problems, one folder each: a task says what its ladder, its loss per unit and its metrics are."""
