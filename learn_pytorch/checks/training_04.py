"""Checks for the exercises of 04_custom_datasets that belong to a training run."""

import itertools
import math

import torch
from torch import nn

from learn_pytorch.exercises import a_tensor, close, exercise, fresh_generator, require, run, same


@exercise("04.7", "Find the bug: augmentation in vain", wants="class")
def check_batches(answer):
    """Each picture has a coin of its own in every epoch; validation stays as it is."""
    g = fresh_generator()
    n, size, epochs = 98, 10, 40
    for shape in ((n, 3, 4, 5), (n, 1, 6, 6)):
        case = f"98 pictures of shape {shape[1:]} in batches of 10"
        images = torch.rand(shape, generator=g)
        labels = torch.arange(n)  # tell which picture it is
        train = run(answer, images, labels, size, augment=True, case=case)
        orders, coins, counts = [], [], []
        for _ in range(epochs):
            batches = _batches(train, case)
            order, mirrored = _looked_at(batches, images, size, case)
            orders.append(order)
            coins.append(mirrored[order.argsort()])
            counts += [float(part.sum()) for part in mirrored.split(size)[:-1]]
        _shuffled(orders, case)
        _coins(torch.stack(coins).float(), torch.tensor(counts), case)
        number = run(train.__len__, case=f"len(batches), {case}")
        late = "the progress bar is full one batch before the end"
        cause = "a last batch that is short is a batch, too: round up"
        require(number == len(batches), f"{late}, for {case}", cause)
        val = run(answer, images, labels, size, augment=False, case=f"validation, {case}")
        order, mirrored = torch.cat([y for _, y in _batches(val, case)]), False
        mirrored = any(not torch.equal(X, images[y]) for X, y in _batches(val, case) for _ in range(2))
        moved = "the same network gets another validation score each time it's asked"
        cause = "validation pictures are mirrored as well, whatever `augment` says"
        require(not mirrored, f"{moved}, for {case}", cause)
        sorted_ = torch.equal(order, labels)
        require(sorted_, f"without augmentation the pictures come in another order than they lie, for {case}")


def _batches(data, case: str) -> list:
    batches = run(list, data, case=case)
    pairs = all(isinstance(b, (tuple, list)) and len(b) == 2 for b in batches)
    tensors = pairs and all(isinstance(t, torch.Tensor) for b in batches for t in b)
    require(tensors and batches, f"expected batches of pictures and labels, for {case}")
    return batches


def _looked_at(batches, images, size: int, case: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Which picture came when, and whether it was mirrored."""
    X, y = torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])
    complete = len(y) == len(images) and torch.equal(y.sort().values, torch.arange(len(images)))
    require(complete, f"in an epoch some pictures are missing, or come twice, for {case}")
    sizes = [len(y) for _, y in batches]
    require(sizes[0] == size and max(sizes) == size, f"the batches have sizes {sizes}, for {case}")
    require(X.shape == images.shape, f"shape {tuple(X.shape[1:])} of the pictures in a batch, for {case}")
    plain, mirrored, *turned = (
        (images[y].flip(dims) == X).flatten(start_dim=1).all(dim=1) for dims in ((), (3,), (2,), (2, 3))
    )
    heads = "some pictures stand on their heads, and no cook serves them like that"
    cause = "dimension 2 runs from top to bottom, and the columns are dimension 3"
    require(not (turned[0] | turned[1]).any(), f"{heads}, for {case}", cause)
    whole = "some pictures are neither as they were nor mirrored, or have another picture's label"
    require((plain | mirrored).all(), f"{whole}, for {case}")
    return y, mirrored


def _shuffled(orders: list[torch.Tensor], case: str) -> None:
    repeated = any(torch.equal(a, b) for a, b in itertools.pairwise(orders))
    same_ = "every epoch brings the same pictures together in the same order"
    cause = "the generator is made anew, with the same seed, each time an epoch begins"
    sorted_ = torch.equal(orders[0], orders[0].sort().values)
    require(
        not sorted_, f"with augmentation the pictures come as they lie, and should be shuffled, for {case}"
    )
    require(not repeated, f"{same_}, for {case}", cause)


def _coins(coins: torch.Tensor, counts: torch.Tensor, case: str) -> None:
    """coins: an epoch in each row, a picture in each column; counts: how many in each full batch."""
    together = "augmentation hardly helps: whatever batch one looks at, its pictures all face the same way"
    cause = "one coin is tossed for the whole batch: N pictures need N of them"
    require(((counts > 0) & (counts < 10)).any(), f"{together}, for {case}", cause)
    per_picture = coins.mean(dim=0)
    fixed = ((per_picture == 0) | (per_picture == 1)).any()
    require(not fixed, f"some pictures are mirrored in every epoch, or never, for {case}")
    share = coins.mean().item()
    spread = counts.var().item()  # 2.5 for ten coins; 360 batches know it to 0.18
    half = f"{share:.0%} of the pictures are mirrored, and it should be half of them"
    require(abs(share - 0.5) < 0.15, f"{half}, for {case}")
    even = "in every batch nearly the same number is mirrored: that is no chance"
    require(spread > 1.5, f"{even}, for {case}")
    pairs = "pictures of a batch are mirrored in groups: some of them share a coin"
    require(spread < 3.7, f"{pairs}, for {case}")
    require(abs(share - 0.5) < 0.04, f"{half}, for {case}")


def _losses(kind: str, g: torch.Generator) -> list[float]:
    """A sequence of validation losses of some kind, drawn anew each time."""
    n = 14
    noise = torch.rand(n, generator=g)
    k = torch.arange(n)
    nan = math.nan
    return {
        "losses that only fall": (3 - 0.1 * k + 0.01 * noise).tolist(),
        "losses that fall by a ten-thousandth": (2 - 1e-4 * k).tolist(),
        "losses that begin at ten thousand": (1e4 / (k + 1) + noise).tolist(),
        "losses of which the first is NaN": [nan, *(5 - k + 0.1 * noise).tolist()],
        "losses of which some are NaN": [2 + noise[0].item(), nan, nan, 1.0, nan, nan, nan, nan],
        "nothing but NaN": [nan] * 6,
        "losses that are all equal": [1.0 + noise[0].item()] * 8,
        "losses that fall and rise": ((k - 4.5).abs() + 0.1 * noise + 1).tolist(),
        "losses that recover once": [1, 0.8, 0.9, 0.85, 0.7 - 0.1 * noise[0].item(), 0.75, 0.8, 0.9, 0.95, 1],
        "losses that fall again, but not below the lowest": [1, 2, 1.5, 1.4, 1.3, 1.2, 1.1, 1.05],
        "losses that jump about": (10 * torch.rand(n, generator=g)).tolist(),
        "losses below zero": (-noise - k % 3).tolist(),
    }[kind]


_KINDS = (
    "losses that only fall",
    "losses that recover once",
    "losses that fall and rise",
    "losses that fall again, but not below the lowest",
    "losses that are all equal",
    "losses of which the first is NaN",
    "losses of which some are NaN",
    "losses that begin at ten thousand",
    "losses that fall by a ten-thousandth",
    "losses below zero",
    "nothing but NaN",
    *["losses that jump about"] * 3,
)


@exercise("04.8", "Early stopping, and back to the best", methods=("__init__", "step", "restore"))
def check_early_stopping(answer):
    """Patience counts epochs without a new lowest loss; afterwards the model is that of the best epoch."""
    g = fresh_generator()
    for kind in _KINDS:
        for patience in (1, 2, 3):
            case = f"{kind} and patience {patience}"
            model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
            stopper = run(answer, patience, case=f"EarlyStopping({patience})")
            whole = hasattr(stopper, "step") and hasattr(stopper, "restore")
            require(whole, "the result has no method step, or no method restore")
            best, since, kept, epoch = math.inf, 0, None, 0
            for epoch, loss in enumerate(_losses(kind, g)):
                with torch.no_grad():
                    for value in model.state_dict().values():
                        value.copy_(torch.full_like(value, epoch + 1))
                if loss < best:
                    best, since, kept = loss, 0, epoch
                else:
                    since += 1
                got = run(stopper.step, loss, model, case=f"epoch {epoch} of {case}")
                require(isinstance(got, bool), f"step must return True or False, got {type(got).__name__}")
                early = f"stopped in epoch {epoch}, too early" if got else f"not stopped in epoch {epoch}"
                require(got == (since >= patience), f"{early}, for {case}")
                now = {v.mean().item() for v in model.state_dict().values() if v.is_floating_point()}
                require(now == {epoch + 1.0}, f"step has changed the model in epoch {epoch}, for {case}")
                if got:
                    break
            _restored(stopper, model, kept, epoch, case)


def _restored(stopper, model: nn.Module, want: int | None, last: int, case: str) -> None:
    try:
        stopper.restore(model)
    except Exception as error:
        said = f"restore raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        none = ", when there had been no best epoch" if want is None else ""
        require(False, f"{said}{none}, for {case}")
    want = last if want is None else want
    numbers = {name: v.double().mean().item() - 1 for name, v in model.state_dict().items()}
    weights = {numbers[name] for name, _ in model.named_parameters()}
    alive = "the state that was kept has gone on changing: does `state_dict()` copy the numbers?"
    require(weights != {float(last)} or last == want, f"the model is still that of the last epoch: {alive}")
    came = f"the model is that of epoch {weights.pop():.0f} after restore, and {want} was the best"
    require(set(numbers.values()) == {float(want)} or not weights or weights == {float(want)}, f"{came}")
    buffers = "its weights are those of the best epoch, its running averages aren't"
    require(len(set(numbers.values())) == 1, f"{buffers}, for {case}")
    require(set(numbers.values()) == {float(want)}, f"{came}, for {case}")


_DROPS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout")
_DROPS += ("feature_alpha_dropout", "native_dropout", nn.modules.dropout._DropoutNd)


@exercise("04.9", "Dropout by hand", methods=("__init__", "forward"))
def check_dropout(answer):
    """Each element has its own chance, the others grow by 1 / (1 - p); it can be trained through."""
    g = fresh_generator()
    for p, shape, dtype in (
        (0.5, (100, 200), torch.float32),
        (0.2, (40, 5, 10, 10), torch.float64),
        (0.0, (3, 4), torch.float32),
        (1.0, (5, 6), torch.float32),
    ):
        case = f"p = {p} and an input of shape {shape}"
        layer = run(answer, p, case=f"MyDropout({p})", forbid=_DROPS)
        require(isinstance(layer, nn.Module), "the result of MyDropout(p) is no nn.Module")
        x = (torch.rand(shape, generator=g) + 1).to(dtype).requires_grad_()
        layer.eval()
        got = run(layer, x, case=f"evaluation mode, {case}", forbid=_DROPS)
        a_tensor(got, f"evaluation mode, {case}")
        same(got, x, case=f"evaluation mode, {case}", hint="it must do nothing there")
        layer.train()
        got = run(layer, x, case=case, forbid=_DROPS)
        a_tensor(got, case)
        require(got.shape == x.shape, f"shape {tuple(got.shape)}, wanted {shape}, for {case}")
        require(got.dtype == dtype, f"dtype {got.dtype} comes out, and {dtype} went in, for {case}")
        _dropped(got.detach(), x.detach(), p, case)
        require(got.requires_grad, f"no gradient can flow back through it, for {case}")
        got.sum().backward()
        flows = x.grad is not None and close(x.grad, got.detach() / x.detach())
        require(flows, f"the values are right, the gradients are not, for {case}")
        if 0 < p < 1:
            again = run(layer, x, case=case, forbid=_DROPS)
            fixed = torch.equal(again == 0, got == 0)
            require(not fixed, f"the same elements are zero in every call, for {case}")
    _trained(answer, g)


def _dropped(got, x, p: float, case: str) -> None:
    zero = got == 0
    share = zero.float().mean().item()
    require(not got.isnan().any(), f"NaN comes out, for {case}")
    if 0 < p < 1:
        require(share > 0, f"nothing is zero in training mode, for {case}")
        rows = zero.flatten(start_dim=1).float().mean(dim=1)
        per_row = ((rows == 0) | (rows == 1)).all()
        require(not per_row, f"whole examples are zero, each element must have its own chance, for {case}")
        alike = (zero == zero[:1]).all()
        require(not alike, f"the same elements are zero in every example, for {case}")
        if x.ndim == 4:
            maps = zero.flatten(start_dim=2).float().mean(dim=2)
            whole = ((maps == 0) | (maps == 1)).all()
            require(not whole, f"whole channels are zero, each element must have its own chance, for {case}")
        kept = abs(share - (1 - p)) < 0.05 and p != 0.5
        require(not kept, f"p is the share that becomes zero, not the share that is kept, for {case}")
        exact = rows.std() < 1e-6
        require(not exact, f"in every example just as many elements are zero: that is no chance, for {case}")
    require(abs(share - p) < 0.05, f"the share of zeros is {share:.2f}, for {case}")
    rest = (got[~zero] / x[~zero]).double()
    unscaled = 0 < p < 1 and torch.allclose(rest, torch.ones_like(rest))
    require(not unscaled, f"the elements that are left are not enlarged, for {case}")
    right = p == 1 or torch.allclose(rest, torch.full_like(rest, 1 / (1 - p)), rtol=1e-3)
    require(right, f"the elements that are left are not divided by 1 - p, for {case}")


def _trained(answer, g: torch.Generator) -> None:
    """A small net with the layer in it: it learns, and in evaluation mode it is always of one opinion."""
    case = "a small net with MyDropout(0.3) in it"
    X = torch.randn(60, 6, generator=g)
    y = (X[:, :1] - X[:, 1:2]) * 2
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), run(answer, 0.3, case=case), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    losses = []
    for _ in range(80):
        loss = (run(net, X, case=case, forbid=_DROPS) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    learned = sum(losses[-5:]) < 0.5 * sum(losses[:5])
    require(learned, f"the net does not learn, for {case}")
    net.eval()
    with torch.no_grad():
        one, two = run(net, X, case=case), run(net, X, case=case)
    require(torch.equal(one, two), f"asked twice in evaluation mode, the net gives two answers, for {case}")
    off = (one - y).square().mean().item()
    require(off < 0.5 * sum(losses[:5]) / 5, f"in evaluation mode the net predicts worse, for {case}")
