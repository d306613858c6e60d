"""Checks for the exercises of 04_custom_datasets: paths, pixels, data sets and folds."""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, Dataset
from torch.utils.weak import WeakIdKeyDictionary

from learn_pytorch.exercises import a_tensor, close, exercise, fresh_generator, require, run, same


def _known(got, want, wrong: dict, case: str) -> None:
    """Says which known mistake gives these values, where it gives others than the right way."""
    for message, value in wrong.items():
        require(close(value, want) or not close(got, value), f"{message}, for {case}")


# ------------------------------------------------------------------------------ paths and pixels


@exercise("04.1", "Classes from paths")
def check_classes_from_paths(answer):
    """Sorted names of the first folders, and the number of each file's class."""
    number = int(torch.randint(100, 999, (1,), generator=fresh_generator()))
    for paths, case in (
        (["tea/1.jpg", "cake/2.jpg", "tea/3.png", f"bread/{number}.jpg"], "four files of three classes"),
        (
            ["sushi/close/3.jpg", "pizza/7.jpg", f"sushi/{number}.jpg", "pizza/sushi/1.jpg"],
            "files in a folder inside a class folder",
        ),
        (
            [f"hamburger/{number}.jpg", "ham/2.jpg", "ham/old/hamburger.jpg", "burger/ham.png"],
            "the classes ham, hamburger and burger",
        ),
        ([f"tart/{number}.jpg"], "one file"),
    ):
        tops = [p.split("/")[0] for p in paths]
        classes = sorted(set(tops))
        got = run(answer, paths, case=case)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(g, list) for g in got), f"expected two lists, for {case}")
        names, labels = got
        swapped = labels and all(isinstance(v, str) for v in labels)
        require(not swapped, f"the two lists have changed places: names first, for {case}")
        require(set(names) != set(paths), f"these are the paths, not the classes, for {case}")
        files = {p.rsplit("/", 1)[1] for p in paths}
        require(set(names) != files, f"these are the names of the files, for {case}")
        whole = {p.rsplit("/", 1)[0] for p in paths}
        inner = {p.split("/")[-2] for p in paths}
        if whole != set(tops):
            stay = "a folder inside a class folder has become a class"
            require(set(names) not in (whole, inner), f"{stay}, for {case}")
        once = len(names) == len(set(names))
        require(once, f"a class is listed more than once, for {case}")
        unsorted = f"the classes are not sorted, so their numbers depend on chance, for {case}"
        require(set(names) != set(classes) or names == classes, unsorted)
        same(names, classes, case=f"the classes, {case}")
        beginning = [next(k for k, c in enumerate(classes) if p.startswith(c)) for p in paths]
        right = [classes.index(top) for top in tops]
        short = "a path got the class whose name its folder only begins with"
        require(labels == right or labels != beginning, f"{short}, for {case}")
        same(labels, right, case=f"the numbers, {case}")


@exercise("04.2", "Transparent pixels on white")
def check_on_white(answer):
    """Colours mixed with white by alpha, and not only where it is 0 or 1."""
    g = fresh_generator()
    for h, w in ((6, 5), (1, 1), (3, 8)):
        case = f"an image of {h}×{w} pixels"
        image = torch.rand(4, h, w, generator=g) * 0.8 + 0.1
        if h > 1:
            image[3, 0, 0], image[3, 0, 1] = 0, 1
        got = run(answer, image, case=case)
        a_tensor(got, case)
        colour, alpha = image[:3], image[3:]
        want = colour * alpha + 1 - alpha
        _known(
            got,
            want,
            {
                "the alpha channel has no effect": colour,
                "this is the image on a black page": colour * alpha,
                "colour and page have changed roles: alpha 1 must show the image": colour * (1 - alpha)
                + alpha,
                "the page has been added in full, so the sum is brighter than white": colour * alpha + 1,
                "only pixels with an alpha of 0 have become white, and it has values in between": torch.where(
                    alpha == 0, 1, colour
                ),
                "a pixel is transparent or not here, and alpha has values in between": torch.where(
                    alpha > 0.5, colour, 1
                ),
            },
            case,
        )
        same(got, want, case=case)


# ---------------------------------------------------------------------------------- data sets


class _Counted(Dataset):
    """Random items; counts how often each was asked for."""

    def __init__(self, length: int):
        g = fresh_generator()
        self.items = [(torch.rand(2, 3, generator=g), k % 3) for k in range(length)]
        self.asked = [0] * length

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        item = self.items[index]
        self.asked[index] += 1
        return item


@exercise("04.4", "Read each item once", methods=("__init__", "__len__", "__getitem__"))
def check_cached(answer):
    """Each item is read once, when it is asked for, by whichever index; each data set has its own."""
    first, second = _Counted(2), _Counted(2)
    case = "two data sets at the same time"
    pair = [run(answer, inner, case=case) for inner in (first, second)]
    whole = all(hasattr(data, "__getitem__") and hasattr(data, "__len__") for data in pair)
    require(whole, "the result is no data set")
    run(pair[0].__getitem__, 0, case=case)
    got = run(pair[1].__getitem__, 0, case=case)
    own = second.asked[0] > 0  # an item that was never read came out of a cache that others fill, too
    require(own, "two data sets share one cache: an item of another comes out of the second")
    same(got, second.items[0], case=case)
    for length in (5, 1):
        case = f"a data set of {length} items" if length > 1 else "a data set of 1 item"
        inner = _Counted(length)
        data = run(answer, inner, case=f"Cached(inner), {case}")
        require(sum(inner.asked) == 0, f"items are read when the data set is made, for {case}")
        same(run(data.__len__, case=f"len(data), {case}"), length, case=f"len(data), {case}")
        order = [0, length - 1, 0, 0, length - 1]
        for index in order:
            got = run(data.__getitem__, index, case=f"data[{index}], {case}")
            same(got, inner.items[index], case=f"data[{index}], {case}")
        others = sum(inner.asked) - inner.asked[0] - (inner.asked[-1] if length > 1 else 0)
        require(others == 0, f"items are read that nobody has asked for, for {case}")
        again = f"an item is read again when it is asked for again, for {case}"
        require(max(inner.asked) == 1, again)
        for index in (-1, -length):
            got = run(data.__getitem__, index, case=f"data[{index}], {case}")
            same(got, inner.items[index], case=f"data[{index}], {case}")
        one_item = f"data[-1] and data[{length - 1}] are one item, and it is read twice, for {case}"
        require(inner.asked[-1] == 1, one_item)
        for index in (length, -length - 1):
            _require_index_error(data, index, case)
        for _ in range(2):
            loaded = run(list, DataLoader(data, batch_size=2, shuffle=True), case=f"a DataLoader, {case}")
            require(sum(len(y) for _, y in loaded) == length, f"a DataLoader loses items, for {case}")
        require(max(inner.asked) == 1, again)


def _require_index_error(data, index: int, case: str) -> None:
    try:
        data[index]
    except IndexError:
        return
    except Exception as error:
        raised = f"data[{index}] raises {type(error).__name__}, and a list raises IndexError"
        require(False, f"{raised}, for {case}")
    require(False, f"data[{index}] gives an item, and there is none: a list raises IndexError, for {case}")


class _Reads(Dataset):
    """Pictures as bytes; notes how often one was read and how many batches are still held."""

    def __init__(self, pictures):
        self.pictures, self.reads, self.made, self.most = pictures, 0, 0, 0
        self.batch_of = WeakIdKeyDictionary()  # of each tensor as large as its batch

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, k):
        self.reads += 1
        return self.pictures[k].clone(), k % 3

    def collate(self, items):
        self.most = max(self.most, len(set(self.batch_of.values())))
        X = torch.stack([x for x, _ in items])
        self.batch_of[X], self.made = self.made, self.made + 1
        return X, torch.tensor([y for _, y in items])


class _Traced(TorchFunctionMode):
    """Inside, what is made of a batch and as large as it counts as the batch: its floats, say."""

    def __init__(self, data: _Reads):
        super().__init__()
        self.batch_of = data.batch_of

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            for a in args:
                if isinstance(a, torch.Tensor) and a in self.batch_of and a.numel() == out.numel():
                    self.batch_of[out] = self.batch_of[a]
        return out


_JOINS = ("cat", "concat", "concatenate", "vstack", "row_stack", "hstack", "dstack", "column_stack")


@exercise("04.5", "Statistics in one pass")
def check_statistics_in_one_pass(answer):
    """Mean and deviation of all pictures, whatever the batches' sizes; read once, and not kept."""
    g = fresh_generator()
    for sizes, channels in (((8, 8, 3, 6), 3), ((1, 6, 1), 2), ((5,), 1)):
        case = f"batches of {', '.join(map(str, sizes))} with {channels} channels"
        dark = torch.arange(sum(sizes)).reshape(-1, 1, 1, 1) * 4  # the batches are far apart
        pictures = torch.randint(0, 150, (sum(sizes), channels, 5, 4), generator=g) + dark
        pictures[:, -1] = 26 if channels > 1 else pictures[:, -1]  # a channel that never changes
        data = _Reads(pictures.to(torch.uint8))
        rows = torch.arange(len(pictures)).split(sizes)
        loader = DataLoader(data, batch_sampler=[part.tolist() for part in rows], collate_fn=data.collate)
        batches = [pictures[part] / 255 for part in rows]
        with _Traced(data):
            got = run(answer, loader, case=case, forbid=_JOINS)
        pair = isinstance(got, (tuple, list)) and len(got) == 2
        require(pair and all(isinstance(t, torch.Tensor) for t in got), f"expected two tensors, for {case}")
        shapes = [tuple(t.shape) for t in got]
        wanted = f"wanted ({channels},) twice"
        require(shapes == [(channels,)] * 2, f"shapes {shapes[0]} and {shapes[1]}, {wanted}, for {case}")
        require(data.reads >= len(pictures), f"some pictures were never looked at, for {case}")
        once = (
            f"the pictures were read {data.reads / len(pictures):.1f} times, and there is time for one pass"
        )
        require(data.reads <= len(pictures), f"{once}, for {case}")
        held = f"{data.most} batches are in memory at the same time, and there is room for one or two"
        require(data.most <= 2 or len(sizes) == 1, f"{held}, for {case}")
        _same_statistics(got, batches, sizes, case)


def _same_statistics(got, batches, sizes, case) -> None:
    whole, axes = torch.cat(batches).double(), (0, 2, 3)
    mean, std = whole.mean(axes), whole.std(axes, correction=0)
    means = torch.stack([b.mean(axes) for b in batches])
    stds = torch.stack([b.std(axes, correction=0) for b in batches])
    count = torch.tensor(sizes, dtype=torch.float32).unsqueeze(dim=1)
    wrapped = ((whole * 255).round() ** 2 % 256).mean(axes) / 255**2
    nan = got[1].isnan() & (std == 0)
    require(not nan.any(), f"the deviation of a channel that never changes is 0, here it is NaN, for {case}")
    _known(
        got[0],
        mean,
        {
            "a short batch counts as much as a long one in the mean": means.mean(dim=0),
            "this is the mean of pixels up to 255": 255 * mean,
        },
        case,
    )
    average = "an average of the batches' deviations misses how far the batches are apart"
    _known(
        got[1],
        std,
        {
            average: stds.mean(dim=0),
            f"weighted or not, {average}": (stds * count).sum(dim=0) / count.sum(),
            "this is the variance: the root is missing": std**2,
            "bytes were squared, and 20 * 20 is 144 for them": (wrapped - mean**2).clamp(min=0).sqrt(),
        },
        case,
    )
    for name, value, want in (("mean", got[0], mean), ("standard deviation", got[1], std)):
        same(value.double(), want, case=f"the {name}, {case}", rtol=1e-3, atol=1e-3)


# --------------------------------------------------------------------------------------- folds


@exercise("04.6", "Plates in folds")
def check_plates_in_folds(answer):
    """All pictures of a plate in one fold, and the plates of each class dealt out evenly."""
    g = fresh_generator()
    for plates_of, k, case in (
        ((5, 4), 3, "5 plates of one class, 4 of another, and 3 folds"),
        ((6, 6, 6), 3, "6 plates of each of 3 classes and 3 folds"),
        ((2, 9), 4, "2 plates of one class, 9 of another, and 4 folds"),
        ((3,), 2, "3 plates of one class and 2 folds"),
    ):
        owner = torch.tensor([c for c, n in enumerate(plates_of) for _ in range(n)])
        # Numbers of plates as people give them: classes in turn, so that nothing is even by itself.
        numbers = torch.empty_like(owner)
        for c in range(len(plates_of)):
            mine = (owner == c).nonzero().flatten()
            shuffled = mine[torch.randperm(len(mine), generator=g)]
            numbers[shuffled] = 1000 + 12 * torch.arange(len(mine)) * len(plates_of) + 12 * c
        many = torch.randint(1, 7, (len(owner),), generator=g)
        many[0] = 40  # even in plates is not even in pictures
        plate = torch.arange(len(owner)).repeat_interleave(many)
        plate = plate[torch.randperm(len(plate), generator=g)]
        labels, plates = owner[plate], numbers[plate]
        got = run(answer, labels, plates, k, case=case)
        a_tensor(got, case)
        shapes = f"shape {tuple(got.shape)}, wanted {tuple(labels.shape)}"
        require(got.shape == labels.shape, f"{shapes}, for {case}")
        whole = not got.is_floating_point() and not got.is_complex() and got.dtype != torch.bool
        require(whole, f"dtype {got.dtype}, wanted whole numbers, for {case}")
        inside = bool(((got >= 0) & (got < k)).all())
        require(inside, f"there are numbers that are no fold from 0 to {k - 1}, for {case}")
        fold_of = torch.empty_like(owner)
        for p in range(len(owner)):
            folds = got[plate == p].unique()
            torn = f"pictures of one plate lie in {len(folds)} folds: the model will meet it again"
            require(len(folds) == 1, f"{torn}, for {case}")
            fold_of[p] = folds[0]
        for c in range(len(plates_of)):
            counts = torch.bincount(fold_of[owner == c], minlength=k)
            even = counts.max() - counts.min() <= 1
            require(even, f"the folds hold {counts.tolist()} plates of class {c}, for {case}")
