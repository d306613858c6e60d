"""What the notebooks import besides ``helper_functions``: data, exercises and their checks."""
