"""One more --model: ``python -m going_modular.pretrained train ...``, or predict."""

import sys
from pathlib import Path

import torch
from torch import nn

from going_modular import predict, train, utils
from going_modular.model_builder import MODELS

sys.path.append(str(Path(__file__).resolve().parents[2]))  # where the course lies
from learn_pytorch.pretrained import efficientnet_lite0

PHOTOS = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])  # of ImageNet


class Pretrained(nn.Module):
    """A frozen body that knows photographs, and a head for other classes."""

    def __init__(self, hidden_units: int, num_classes: int, image_size: int):
        super().__init__()  # hidden units and size are for the other models
        mean, std = PHOTOS.view(2, 3, 1, 1)
        self.register_buffer("scale", 2 * std)
        self.register_buffer("shift", 2 * mean - 1)
        self.body = efficientnet_lite0().requires_grad_(False)
        self.body.classifier = nn.Identity()
        self.head = nn.Linear(self.body.num_features, num_classes)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(X * self.scale + self.shift))

    def train(self, mode: bool = True):
        """Training mode for the head alone: the body's batch norms stay as they are."""
        super().train(mode)
        self.body.eval()
        return self


MODELS["efficientnet_lite0"] = Pretrained

if __name__ == "__main__":
    programs = {"train": (train.train, train), "predict": (predict.run, predict)}
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in programs:
        sys.exit("usage: python -m going_modular.pretrained train|predict ...")
    run, module = programs[name]
    sys.exit(utils.run_command(name, run, module.parse_arguments(sys.argv[2:])))
