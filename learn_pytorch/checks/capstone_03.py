"""The check of notebook 03's capstone: a training project in which bugs were drawn for each learner."""

import contextlib
import io
import random

import torch
from torch import nn

from learn_pytorch.drawn_fashion import draw
from learn_pytorch.exercises import exercise, fresh_generator, require, run

PROGRAM = '''
class Garments:
    """Trains a small network on garments, and says how good it is.

    Args:
        images: uint8 of shape (N, 28, 28).
        labels: Class numbers from 0 to 9, int64 of shape (N,).
        seed: For the split, the first weights and the order of the batches.
    """

    def __init__(self, images, labels, seed=0):
        self.generator = torch.Generator().manual_seed(seed)
        self.split(images, labels)
        torch.manual_seed(seed)
        self.model = self.network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.claim = 0.0

    # ---------------------------------------- data

    def to_floats(self, images):
        """From 0 to 1, with a dimension for the channel."""
        return images.unsqueeze(dim=1).float() / 255

    def split(self, images, labels):
        """A fifth of the pictures, at random, is for validation."""
        order = torch.randperm(len(images), generator=self.generator)
        images, labels = images[order], labels[order]
        X, cut = self.to_floats(images), len(images) // 5
        self.X_val, self.y_val = X[:cut], labels[:cut]
        self.X_train, self.y_train = X[cut:], labels[cut:]
        self.mean, self.std = self.X_train.mean(), self.X_train.std()

    def prepare(self, X):
        """For the network: mean 0 and deviation 1 over the training set."""
        return (X - self.mean) / self.std

    def batches(self, X, y, shuffle=False):
        """All rows, 50 at a time; shuffled, in another order each time."""
        order = torch.arange(len(X))
        if shuffle:
            order = torch.randperm(len(X), generator=self.generator)
        for rows in order.split(50):
            yield self.prepare(X[rows]), y[rows]

    # ---------------------------------------- network

    def block(self, n_in, n_out):
        """Half as high and wide, n_out channels."""
        return nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )

    def network(self):
        """Logits for pictures of 28×28."""
        return nn.Sequential(
            self.block(1, 8),
            self.block(8, 16),
            nn.Flatten(),
            nn.Linear(16 * 7 * 7, 10),
        )

    # ---------------------------------------- training

    def train_epoch(self):
        """One pass over the training set; returns the mean loss of its rows."""
        self.model.train()
        loss_fn = nn.CrossEntropyLoss()
        total = 0.0
        for X, y in self.batches(self.X_train, self.y_train, shuffle=True):
            loss = loss_fn(self.model(X), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(y)
        return total / len(self.y_train)

    def evaluate(self):
        """The accuracy on the validation set."""
        self.model.eval()
        right = 0
        with torch.no_grad():
            for X, y in self.batches(self.X_val, self.y_val):
                right += (self.model(X).argmax(dim=1) == y).sum().item()
        return right / len(self.y_val)

    def fit(self, num_epochs=5):
        """Trains, goes back to the best epoch, claims its accuracy."""
        best = None
        for epoch in range(num_epochs):
            loss, score = self.train_epoch(), self.evaluate()
            print(f"epoch {epoch}: loss {loss:.3f}, accuracy {score:.3f}")
            if best is None or score > self.claim:
                self.claim = score
                state = self.model.state_dict()
                best = {name: value.clone() for name, value in state.items()}
        self.model.load_state_dict(best)
        return self

    # ---------------------------------------- use

    def predict(self, images):
        """Class numbers for new pictures, uint8 (N, 28, 28)."""
        self.model.eval()
        with torch.no_grad():
            logits = self.model(self.prepare(self.to_floats(images)))
        return logits.argmax(dim=1)
'''.lstrip()

# What a bug makes of a line of the program.
BUGS = {
    "labels": ("images, labels = images[order], labels[order]", "images = images[order]"),
    "overlap": ("= X[cut:], labels[cut:]", "= X, labels"),
    "statistics": ("self.X_train.mean(), self.X_train.std()", "X.mean(), X.std()"),
    "prepare": ("return (X - self.mean) / self.std", "return (X - X.mean()) / X.std()"),
    "dropped": ("for rows in order.split(50):", "for rows in order[: len(X) // 50 * 50].split(50):"),
    "order": (
        "torch.randperm(len(X), generator=self.generator)",
        "torch.randperm(len(X), generator=torch.Generator().manual_seed(0))",
    ),
    "last layer": (
        "            nn.Linear(16 * 7 * 7, 10),\n",
        "            nn.Linear(16 * 7 * 7, 10),\n            nn.ReLU(),\n",
    ),
    "train mode": ("        self.model.train()\n", ""),
    "gradients": ("            self.optimizer.zero_grad()\n", ""),
    "mean loss": ("total += loss.item() * len(y)", "total += loss.item()"),
    "evaluation mode": ('set."""\n        self.model.eval()\n', 'set."""\n'),
    "accuracy": ("return right / len(self.y_val)", "return right / len(self.y_train)"),
    "best epoch": ("{name: value.clone() for name, value in state.items()}", "state"),
    "new pictures": (
        "self.model(self.prepare(self.to_floats(images)))",
        "self.model(self.to_floats(images))",
    ),
}


def broken(names) -> str:
    """The program with these bugs in it."""
    text = PROGRAM
    for name in names:
        right, wrong = BUGS[name]
        assert text.count(right) == 1, name
        text = text.replace(right, wrong)
    return text


def hand_out(number: int) -> None:
    """Prints a program with some bugs, drawn by any number that somebody thinks of."""
    draw_from = random.Random(number)
    names = draw_from.sample(sorted(BUGS), draw_from.choice((5, 6, 7)))
    print(broken(names))


class _Noting(nn.Module):
    """Logits from the first ten pixels of a picture; notes what it was given, and in which mode."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.ones(10)), []

    def forward(self, X):
        self.seen.append((self.training, X.detach()))
        logits = self.weight * X[:, 0, 0, :10]
        return -logits if self.training else logits


class _Watching(torch.optim.SGD):
    """Does not move; notes whether a step would use the gradients of its own batch alone."""

    def __init__(self, parameter):
        super().__init__([parameter], lr=0.0)
        self.parameter, self.own, self.clean = parameter, None, []
        parameter.register_hook(lambda grad: setattr(self, "own", grad.clone()))

    def step(self, closure=None):
        self.clean.append(self.own is not None and torch.allclose(self.parameter.grad, self.own))


def _data(project, images, labels, found):
    known = {picture.numpy().tobytes(): i for i, picture in enumerate(images)}

    def who(X):
        return [known.get(p.numpy().tobytes(), -1) for p in (X * 255).round().byte().squeeze(dim=1)]

    trained, tested = who(project.X_train), who(project.X_val)
    rows, said = trained + tested, torch.cat([project.y_train, project.y_val])
    found["labels"] = -1 in rows or not torch.equal(labels[rows], said)
    found["overlap"] = bool(set(trained) & set(tested)) or len(set(rows)) != len(images)
    own = project.X_train if not found["overlap"] else project.X_train[len(project.X_val) :]
    numbers = torch.as_tensor(project.mean), torch.as_tensor(project.std)
    close = [torch.allclose(n, v, atol=2e-5) for n, v in zip(numbers, (own.mean(), own.std()), strict=True)]
    whole = torch.cat([project.X_train, project.X_val]).mean()
    found["statistics"] = not all(close) and not (found["overlap"] and not torch.allclose(numbers[0], whole))
    X = project.X_train[:20]
    found["prepare"] = not torch.allclose(project.prepare(X)[:1], project.prepare(X[:1]), atol=1e-4)
    X, y = torch.rand(73, 1, 28, 28), torch.arange(73)
    first, second, still = ([y for _, y in project.batches(X, y, shuffle=s)] for s in (True, True, False))
    found["dropped"] = any(len(torch.cat(ys).unique()) != 73 for ys in (first, second, still))
    same_order = torch.equal(torch.cat(first), torch.cat(second))
    found["order"] = same_order or not torch.equal(torch.cat(still), y[: len(torch.cat(still))])


def _training(project, found):
    X = torch.randn(64, 1, 28, 28)
    with torch.no_grad():
        logits = project.network().eval()(X)
    normal = (logits.sum(dim=1) - 1).abs().max() < 1e-3
    found["last layer"] = bool((logits >= 0).all() or normal or (logits <= 0).all())
    model = project.model = _Noting().eval()
    watch = project.optimizer = _Watching(model.weight)
    loss = project.train_epoch()
    modes = [mode for mode, _ in model.seen]
    found["train mode"] = not all(modes)
    found["gradients"] = not all(watch.clean)
    found["mean loss"] = not 0.5 < loss < 20  # a sum of means over the rows is 50 times smaller
    project.X_val, project.y_val = torch.zeros(100, 1, 28, 28), torch.arange(100) % 10
    shown = torch.where(torch.arange(100) < 63, project.y_val, (project.y_val + 1) % 10)
    project.X_val[torch.arange(100), 0, 0, shown] = 1.0
    model = project.model = _Noting().train()
    score = project.evaluate()
    wrong_mode = any(mode for mode, _ in model.seen)
    found["evaluation mode"] = wrong_mode
    right = 0.63 if not wrong_mode else score * len(project.y_val) / 100
    among_trained = abs(score - 63 / len(project.y_train)) < 1e-6
    found["accuracy"] = abs(score - right) > 1e-6 or among_trained


def _use(project, images, found):
    model = project.model = _Noting()
    scores = iter((0.2, 0.6, 0.4, 0.5))

    def epoch():
        with torch.no_grad():
            model.weight += 1
        return 1.0

    project.claim, project.train_epoch, project.evaluate = 0.0, epoch, lambda: next(scores)
    project.fit(4)
    found["best epoch"] = model.weight[0].item() != 3.0 or abs(project.claim - 0.6) > 1e-6
    model = project.model = _Noting().train()
    project.predict(images[:30])
    want = project.prepare(images[:30].unsqueeze(dim=1).float() / 255)
    mode, given = model.seen[-1]
    found["new pictures"] = mode or given.shape != want.shape or not torch.allclose(given, want, atol=1e-3)


def find(answer, images, labels) -> list[str]:
    """What the spies find in a class: names of bugs."""
    found: dict[str, bool] = {}
    number = int(labels.sum())
    _data(answer(images, labels, number), images, labels, found)
    _training(answer(images, labels, number), found)
    _use(answer(images, labels, number), images, found)
    return [name for name, is_there in found.items() if is_there]


@exercise("03.C", "Capstone: the project that nobody trusts", wants="class")
def check_project(answer):
    """No spy finds anything; fresh garments are recognised; the claim is honest."""
    g = fresh_generator()
    seed, other = (int(torch.randint(0, 10**6, (), generator=g)) for _ in range(2))
    images, labels = draw(630, seed=seed)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()
    missing = [
        name for name in ("network", "train_epoch", "evaluate", "fit", "predict") if not hasattr(answer, name)
    ]
    require(not missing, f"the class has lost its method {', '.join(missing)}")

    def look():
        return (find(answer, images, labels),)

    look.__wrapped__ = answer  # whose lines are quoted when something is raised
    (found,) = _silent(run, look, case="a look at its parts")
    count = {1: "one spy still finds", 2: "two spies still find"}.get(
        len(found), f"{len(found)} spies still find"
    )
    require(not found, f"{count} something among {len(BUGS)} that look at the parts of the project")
    images, labels = (torch.from_numpy(part) for part in draw(1500, seed=other))
    project = _silent(run, answer, images, labels.long(), 1, case="1,500 pictures")
    _silent(run, project.fit, case="1,500 pictures, fit", limit=25)
    new, truth = (torch.from_numpy(part) for part in draw(1000, seed=other + 1))
    preds = run(project.predict, new, case="1,000 new pictures")
    shaped = isinstance(preds, torch.Tensor) and preds.shape == (1000,)
    require(shaped, "expected a class number for each of 1,000 new pictures")
    score = (preds == truth).float().mean().item()
    weak = "no spy finds anything, but it is right about"
    require(
        score > 0.68, f"{weak} {score:.0%} of new garments: the program as it was meant reaches about 80 %"
    )
    honest = abs(project.claim - score) < 0.1
    require(honest, f"it claims an accuracy of {project.claim:.0%}, and on new garments it is {score:.0%}")


def _silent(function, *args, **kwargs):
    """The result of a call whose prints nobody wants to read."""
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args, **kwargs)
