"""The checks behind the exercises, one module for each notebook; ``exercise_checks`` runs them."""
