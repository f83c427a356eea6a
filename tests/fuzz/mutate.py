"""Seeded damage to files: what disks, networks, editors and people do to them."""

import random

_TOKENS = (
    b"\0",
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"-1",
    b"1e999",
    b"nan",
    b"999999999999",
    b"\n",
    b'"',
    b",",
    b"{",
    b"'",
)


def mutated(content: bytes, seed: int) -> bytes:
    """`content` after one to four changes, the same each time for a seed."""
    draw = random.Random(seed)
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice((_flip, _flip, _set, _zero, _cut, _remove, _repeat, _insert, _digit, _swap))(data, draw)
    return bytes(data)


def _flip(data: bytearray, draw: random.Random) -> None:
    if data:
        data[_place(data, draw)] ^= 1 << draw.randrange(8)


def _set(data: bytearray, draw: random.Random) -> None:
    if data:
        data[_place(data, draw)] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))


def _zero(data: bytearray, draw: random.Random) -> None:
    start, stop = _span(data, draw)
    data[start:stop] = bytes(stop - start)


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data) + 1) :]


def _remove(data: bytearray, draw: random.Random) -> None:
    start, stop = _span(data, draw)
    del data[start:stop]


def _repeat(data: bytearray, draw: random.Random) -> None:
    start, stop = _span(data, draw)
    data[stop:stop] = data[start:stop] * draw.randrange(1, 4)


def _insert(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data) + 1)
    data[at:at] = draw.choice(_TOKENS)


def _digit(data: bytearray, draw: random.Random) -> None:
    """Change a number where it is written as text, as in a header."""
    places = [place for place, byte in enumerate(data[:4096]) if 48 <= byte < 58]
    if places:
        data[draw.choice(places)] = draw.choice(b"0123456789.-")


def _swap(data: bytearray, draw: random.Random) -> None:
    (a, b), (c, d) = sorted((_span(data, draw), _span(data, draw)))
    if b <= c:
        data[a:d] = data[c:d] + data[b:c] + data[a:b]


def _place(data: bytearray, draw: random.Random) -> int:
    """Anywhere, but every other time near the beginning or the end, where headers and directories are."""
    near = min(len(data), 128)
    return draw.choice((draw.randrange(len(data)), draw.randrange(near), len(data) - 1 - draw.randrange(near)))


def _span(data: bytearray, draw: random.Random) -> tuple[int, int]:
    start = draw.randrange(len(data) + 1)
    return start, min(len(data), start + draw.choice((1, 2, 4, 8, 64, 512)))
