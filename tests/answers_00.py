"""Answers to the exercises of notebook 00."""

import torch
from answer_table import right, wrong

right("00.1", lambda n: torch.arange(1, n + 1).flip(0))
wrong("00.1", "it counts up", lambda n: torch.arange(1, n + 1))
wrong("00.1", "goes on to 0", lambda n: torch.arange(n, -1, -1))
wrong("00.1", "dtype torch.float32", lambda n: torch.linspace(n, 1, n))
