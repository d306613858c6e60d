"""Checks for the exercises of notebook 01, a straight line: whole loops, evaluation, a run in pieces."""

import copy
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from learn_pytorch.exercises import exercise, fresh_generator, require, run, same
from learn_pytorch.spies import FAR, Far, Graphs, Watched, far_device, moved_far


def _odd_loss(preds, y):
    """No loss that PyTorch has, so that nobody takes another one than is given."""
    return (preds - y).abs().pow(1.5).mean()


def _loader(X, y, batch_size):
    return DataLoader(TensorDataset(X, y), batch_size=batch_size)


def _close(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.allclose(p, q, atol=1e-6) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@exercise("01.7", "The best of all epochs")
def check_best_epoch(answer):
    """Minibatches, a validation after each epoch, and in the end the parameters of the best."""
    g = fresh_generator()
    for pull, epochs, case in (
        (0.5, 12, "a validation loss that falls and rises"),
        (2.0, 6, "a validation loss that falls"),
        (-1.0, 5, "a validation loss that rises"),
        (2.0, 1, "one epoch"),
    ):
        X, X_val = torch.rand(22, 1, generator=g), torch.rand(13, 1, generator=g) + 100
        y = torch.where(torch.arange(22)[:, None] < 20, 3.0, 6.0) + 0.1 * torch.rand(22, 1, generator=g)
        y_val = 3 * pull + torch.rand(13, 1, generator=g)
        y_val[-1] += 2  # the short last batch is another one
        model = Watched().eval()  # to train in the right mode is the program's own affair
        with torch.no_grad():
            model.line.weight.fill_(0.001)
            model.line.bias.zero_()
        right = copy.deepcopy(model.line)
        optimizers = [
            torch.optim.SGD([{"params": m.parameters()}], lr=0.05, momentum=0.5) for m in (model, right)
        ]
        wanted, states = [], []
        for _ in range(epochs):
            for a, b in zip(X.split(8), y.split(8), strict=True):
                optimizers[1].zero_grad()
                _odd_loss(right(a), b).backward()
                optimizers[1].step()
            with torch.no_grad():
                wanted.append(_odd_loss(right(X_val), y_val).item())
            states.append(copy.deepcopy(right))
        best = min(range(epochs), key=wanted.__getitem__)
        loaders = _loader(X, y, 8), _loader(X_val, y_val, 6)
        got = run(answer, model, _odd_loss, optimizers[0], *loaders, epochs, case=case)
        listed = isinstance(got, list) and all(type(v) is float for v in got)
        require(listed, f"the result must be a list of Python numbers, for {case}")
        require(len(got) == epochs, f"the result has {len(got)} losses for {epochs} epochs, for {case}")
        training = [call for call in model.calls if call[0] < 100]
        testing = [call for call in model.calls if call[0] >= 100]
        require(
            all(mode for _, mode, _ in training), f"some batches were trained in evaluation mode, for {case}"
        )
        quiet = not any(mode for _, mode, _ in testing)
        require(quiet, f"the validation set was evaluated in training mode, for {case}")
        require(not any(graph for *_, graph in testing), f"validation records graphs for nothing, for {case}")
        means = [_odd_loss(states[0](a), b).item() for a, b in loaders[1]]
        per_batch = abs(got[0] - sum(means) / len(means)) < 1e-3 and abs(got[0] - wanted[0]) > 1e-3
        require(
            not per_batch, f"a short batch counts as much as a full one in the validation loss, for {case}"
        )
        same(got, wanted, case=f"validation losses, {case}", rtol=1e-3)
        last = best != epochs - 1 and _close(model.line, states[-1])
        kept = (
            "the parameters are those of the last epoch, not of the best: did they change after you kept them"
        )
        require(not last, f"{kept}, for {case}?")
        require(
            _close(model.line, states[best]), f"the parameters are not those of the best epoch, for {case}"
        )


@exercise("01.8", "Find the bug: the silent log")
def check_log(answer):
    """A log of the validation losses, from a model that trains and evaluates in the right modes."""
    for epochs, fixed in ((25, True), (10, False)):
        g = torch.Generator().manual_seed(5) if fixed else fresh_generator()
        case = f"{epochs} epochs"
        X, X_val = torch.rand(10, 1, generator=g), torch.rand(9, 1, generator=g) + 100
        X_val[-1] += 20
        model = Graphs().train(fixed)
        with torch.no_grad():
            model.line.weight.fill_(0.5)
            model.line.bias.fill_(0.1)
        right = copy.deepcopy(model.line)
        optimizer = torch.optim.SGD(right.parameters(), lr=0.01)
        wanted, apart = [], []
        for epoch in range(epochs):
            for a in X.split(4):
                optimizer.zero_grad()
                F.mse_loss(right(a), 2 * a).backward()
                optimizer.step()
            with torch.no_grad():
                losses = [F.mse_loss(right(a), a).item() for a in X_val.split(4)]
                if epoch % 10 == 0:
                    wanted.append((epoch, F.mse_loss(right(X_val), X_val).item()))
                    apart.append(sum(losses) / len(losses))
        loaders = _loader(X, 2 * X, 4), _loader(X_val, X_val, 4)
        log = run(answer, model, *loaders, epochs, case=case)
        pairs = isinstance(log, list) and all(isinstance(e, (tuple, list)) and len(e) == 2 for e in log)
        require(pairs, f"the result must be a list of pairs (epoch, validation loss), for {case}")
        seen = f"somebody reads the log after {case}, and it is empty"
        require(log, seen, cause="no remainder of a division by ten is 100")
        noted, due = [e for e, _ in log], [e for e, _ in wanted]
        require(noted == due, f"the log has the epochs {noted}, wanted {due}, for {case}")
        number = all(type(loss) is float for _, loss in log)
        seen = "the log cannot be written as JSON: its losses are no Python numbers"
        require(
            number,
            f"{seen}, for {case}",
            cause="a loss is a tensor with its graph until somebody calls item()",
        )
        training = [mode for total, mode, _ in model.calls if total < 100]
        testing = [mode for total, mode, _ in model.calls if total >= 100]
        seen = f"a dropout layer would work in {training.count(True)} of {len(training)} training steps"
        cause = "eval() lasts until somebody calls train(), and that stands before the loop"
        require(training and all(training), f"{seen}, for {case}", cause=cause)
        seen = "the same rows give another validation loss each time as soon as the model has dropout"
        require(not any(testing), f"{seen}, for {case}", cause="the model is evaluated in training mode")
        seen = f"memory grows with each batch of the validation: {model.most} of them are held at once"
        require(
            model.most <= 1, f"{seen}, for {case}", cause="a sum of losses holds on to all of their graphs"
        )
        seen = f"the log says {log[0][1]:.0f} for epoch 0, and on all validation rows at once it is"
        cause = "a short batch counts as much as a full one"
        near = abs(log[0][1] - apart[0]) > 1e-3 * apart[0]
        require(near, f"{seen} {wanted[0][1]:.0f}, for {case}", cause=cause)
        same(
            [loss for _, loss in log],
            [loss for _, loss in wanted],
            case=f"validation losses, {case}",
            rtol=1e-3,
        )


@exercise("01.9", "Evaluate, wherever the model lives")
def check_evaluation(answer):
    """The mean loss and the worst error over all rows, on the model's device, nothing left behind."""
    g = fresh_generator()
    for n, size, far, mode in (
        (16, 4, False, True),
        (13, 6, False, False),
        (3, 8, True, False),
        (14, 4, True, True),
    ):
        where = "a device that is not this machine's first choice" if far else "the CPU"
        case = f"{n} rows in batches of {size}, a model on {where}"
        model = Graphs().train(mode)
        model.line.weight.requires_grad_(False)
        X = torch.randn(n, 1, generator=g)
        y = X + torch.arange(float(n)).unsqueeze(1)  # the last rows have the largest errors
        y[0] = X[0] + (30 if mode else -30)  # but one, on either side
        with torch.no_grad():
            preds = model.line(X)
        loader = _loader(X, y, size)
        means = [_odd_loss(p, t).item() for p, t in zip(preds.split(size), y.split(size), strict=True)]
        want = _odd_loss(preds, y).item(), (preds - y).abs().max().item()
        if far:
            model = Watched().train(mode)
            model.line.load_state_dict({"weight": preds.new_tensor([[1.0]]), "bias": preds.new_tensor([0.5])})
            want = _odd_loss(X + 0.5, y).item(), (X + 0.5 - y).abs().max().item()
            preds = X + 0.5
            moved_far(model)
        flags = [p.requires_grad for p in model.parameters()]
        with far_device():
            got = run(answer, model, loader, _odd_loss, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair, f"return two numbers, the mean loss and the largest error, for {case}")
        graph = any(isinstance(v, torch.Tensor) and v.requires_grad for v in got)
        require(not graph, f"the result is a tensor that holds on to its graphs, for {case}")
        used = [m for _, m, _ in model.calls]
        require(used and not any(used), f"the model was asked in training mode, for {case}")
        require(not any(r for *_, r in model.calls), f"graphs are recorded that nobody needs, for {case}")
        if not far and isinstance(got[0], float) and n % size:
            mean = abs(got[0] - sum(means) / len(means)) < 1e-3 < abs(want[0] - sum(means) / len(means))
            require(not mean, f"this is the mean of batch means: a small batch counts too much, for {case}")
        same(got[0], want[0], case=f"the mean loss, {case}")
        ends = [max(0.0, e.max().item()) for e in (preds - y, y - preds)]
        one_sided = isinstance(got[1], (int, float)) and min(abs(got[1] - end) for end in ends) < 1e-4
        hint = "errors on the other side count as well" if one_sided else ""
        same(got[1], want[1], case=f"the largest error, {case}", hint=hint)
        left = "it was given in the one mode and is left in the other"
        require(model.training == mode, f"the model's mode has changed: {left}, for {case}")
        kept = flags == [p.requires_grad for p in model.parameters()] and torch.is_grad_enabled()
        require(kept, f"afterwards gradients are switched off that were on, for {case}")
        require(not far or isinstance(next(model.parameters()), Far), f"the model was moved from {FAR}")


@exercise("01.10", "Train to a total, with interruptions")
def check_resumed_training(answer):
    """A run in pieces ends like one in a single piece, optimizer included."""
    g = fresh_generator()
    X = torch.rand(20, 1, generator=g)
    y = 0.7 * X + 0.3

    def adam(model):
        return torch.optim.Adam(model.parameters(), lr=0.1)

    def momentum(model):
        return torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)

    def go_on(model, optimizer, epochs):
        for _ in range(epochs):
            optimizer.zero_grad()
            F.mse_loss(model(X), y).backward()
            optimizer.step()

    for make, name in ((adam, "Adam"), (momentum, "SGD with momentum")):
        first = nn.Linear(1, 1)
        right, amnesia, early = (copy.deepcopy(first) for _ in range(3))
        go_on(right, make(right), 8)
        go_on(early, make(early), 4)
        for _ in range(2):  # the optimizer starts anew half-way
            go_on(amnesia, make(amnesia), 4)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.pth"
            done = run(answer, path, first, make(first), X, y, 4, case="the first call")
            same(done, 4, case=f"the first call, to 4 epochs with {name}")
            require(path.exists(), "after the first call there is no file at `path`")
            require(_close(first, early), f"the first 4 epochs are not those of {name}, for the first call")
            try:
                torch.load(path, weights_only=True)
            except Exception:
                require(False, "the checkpoint cannot be loaded with weights_only=True: what was saved?")
            for case, total, epochs in (
                ("a second call, to 8 epochs in total", 8, 4),
                ("a third call, to 8 again", 8, 0),
                ("a call that asks for 5 epochs when 8 are done", 5, 0),
                ("a call to 8 after that", 8, 0),
            ):
                model = nn.Linear(1, 1)
                done = run(answer, path, model, make(model), X, y, total, case=case)
                case += f", with {name}"
                forgot = "the optimizer has started anew: its own state was not restored"
                require(not _close(model, amnesia), f"{forgot}, for {case}")
                fine = _close(model, right)
                require(fine, f"the parameters are not those of an uninterrupted run, for {case}")
                wrong = {
                    total: "how many did this call do *itself*?",
                    total - 8: "none cannot be less than 0",
                }
                same(done, epochs, case=case, hint=wrong.get(done if done != epochs else None, ""))
            left = len(list(Path(folder).iterdir()))
            require(
                left == 1, f"{left} files are left in the folder, wanted 1: remove or rename temporary ones"
            )
