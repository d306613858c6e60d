"""Outlines, as arrays of complex numbers, and colours."""

import functools

import numpy as np


def oval(rx: float, ry: float | None = None, n: int = 40) -> np.ndarray:
    """An ellipse around 0, as n corners."""
    angle = np.arange(n) * (2 * np.pi / n)
    return rx * np.cos(angle) + 1j * (rx if ry is None else ry) * np.sin(angle)


def box(rx: float, ry: float, square: float = 6.0, n: int = 72) -> np.ndarray:
    """A box around 0, as n corners evenly apart; it is rounder the smaller ``square`` is, 2 is an ellipse."""
    circle, power = oval(1, n=240), 2 / square
    x = rx * np.sign(circle.real) * np.abs(circle.real) ** power
    z = x + 1j * ry * np.sign(circle.imag) * np.abs(circle.imag) ** power
    z = np.append(z, z[0])
    way = np.concatenate([[0], np.cumsum(np.abs(np.diff(z)))])
    return np.interp(np.arange(n) * (way[-1] / n), way, z)


def ribbon(path: np.ndarray, width) -> np.ndarray:
    """A band along a path; the width may be one number or one for each point."""
    along = np.gradient(path)
    side = 0.5j * np.asarray(width) * along / np.maximum(np.abs(along), 1e-9)
    return np.concatenate([path + side, (path - side)[::-1]])


def line(start: complex, end: complex, n: int = 2) -> np.ndarray:
    """Points from start to end."""
    return start + (end - start) * np.linspace(0, 1, n)


def arc(radius: float, begin: float, end: float, n: int = 16) -> np.ndarray:
    """Points on a circle around 0, from angle to angle."""
    return radius * np.exp(1j * np.linspace(begin, end, n))


@functools.cache
def palette(colours: str) -> tuple[tuple[int, ...], ...]:
    """Colours from their usual names in six digits: ``"ff0000 0000ff"`` is red and blue."""
    return tuple(tuple(bytes.fromhex(colour)) for colour in colours.split())
