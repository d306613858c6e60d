"""The checks behind the exercises, one module for each notebook; ``learn_pytorch.exercises`` runs them."""
