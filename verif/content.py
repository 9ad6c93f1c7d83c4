"""Pictures that provoke: uint8 planes (y, u, v) of 4:2:0 made from a seed, by kind of content."""

import numpy as np

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


def _noise(rng, height, width):
    return rng.integers(0, 256, (height, width), np.uint8)


def noise(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Every sample random: the largest coefficients, and many of them."""
    chroma = height // 2, width // 2
    return _noise(rng, height, width), _noise(rng, *chroma), _noise(rng, *chroma)


def extremes(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Every sample 0 or 255 at random: the largest residuals."""
    y, u, v = (np.where(plane & 1, 255, 0).astype(np.uint8) for plane in noise(width, height, rng))
    return y, u, v


def flat(width: int, height: int, rng: np.random.Generator) -> Planes:
    """One colour: nothing to code, so the shortest slices and long runs in the arithmetic coder."""
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    y, u, v = (np.full(shape, rng.integers(0, 256), np.uint8) for shape in shapes)
    return y, u, v


def _ramp(rng, height, width):
    y, x = np.mgrid[0:height, 0:width]
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 3)
    values = rng.uniform(0, 255) + slope * (np.cos(angle) * x + np.sin(angle) * y)
    return np.clip(values, 0, 255).astype(np.uint8)


def gradient(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Ramps at a random angle: large blocks, strong smoothing, clipping at the ends."""
    chroma = height // 2, width // 2
    return _ramp(rng, height, width), _ramp(rng, *chroma), _ramp(rng, *chroma)


def text(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Rows of random glyphs in two colours: sharp edges, small blocks."""
    ink = np.zeros((height, width), bool)
    for top in range(2, height - 8, 10):
        for left in range(2, width - 6, 6):
            if rng.random() < 0.8:
                ink[top : top + 7, left : left + 5] = rng.random((7, 5)) < 0.45
    paper, pen = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    small = ink[::2, ::2]
    return tuple(np.where(mask, pen[i], paper[i]).astype(np.uint8) for i, mask in enumerate((ink, small, small)))


def checkerboard(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Squares of a random side: the highest frequencies when the side is 1."""
    side = int(rng.choice([1, 2, 3, 4, 8, 16]))
    y, x = np.mgrid[0:height, 0:width]
    board = (x // side + y // side) & 1
    low, high = rng.integers(0, 128, 3), rng.integers(128, 256, 3)
    small = board[::2, ::2] if side > 1 else board[: height // 2, : width // 2]
    return tuple(np.where(mask, high[i], low[i]).astype(np.uint8) for i, mask in enumerate((board, small, small)))


def saturated(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Rectangles of colours at the ends of the range: clipping in all three planes."""
    planes = [
        np.full((height, width), 128, np.uint8),
        *(np.full((height // 2, width // 2), 128, np.uint8) for _ in "uv"),
    ]
    for _ in range(12):
        left, top = int(rng.integers(0, width // 2)), int(rng.integers(0, height // 2))
        right, bottom = left + int(rng.integers(2, width // 2)), top + int(rng.integers(2, height // 2))
        colour = rng.choice([0, 1, 16, 235, 240, 254, 255], 3)
        planes[0][2 * top : 2 * bottom, 2 * left : 2 * right] = colour[0]
        for plane, value in zip(planes[1:], colour[1:]):
            plane[top:bottom, left:right] = value
    return planes[0], planes[1], planes[2]


def texture(width: int, height: int, rng: np.random.Generator) -> Planes:
    """Smoothed noise over a ramp, like a photograph: all block sizes and modes."""

    def plane(rows, columns):
        field = rng.normal(0, 90, (rows + 6, columns + 6))
        strength = rng.uniform(0.2, 1)
        for axis in (0, 1):
            field = np.sum([np.roll(field, shift, axis) for shift in range(-2, 3)], axis=0) / 2.5
        return np.clip(_ramp(rng, rows, columns) + strength * field[3:-3, 3:-3], 0, 255).astype(np.uint8)

    return plane(height, width), plane(height // 2, width // 2), plane(height // 2, width // 2)


CONTENT = {make.__name__: make for make in (noise, extremes, flat, gradient, text, checkerboard, saturated, texture)}
