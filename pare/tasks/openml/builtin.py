"""Three tables of OpenML-CC18 whose real data needs no file: scikit-learn ships one, and rules generate two.

They hold the rows of OpenML's files, perhaps in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

_LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
_SQUARES = tuple(
    f"{row}-{column}-square" for row in ("top", "middle", "bottom") for column in ("left", "middle", "right")
)


def wdbc() -> pd.DataFrame:
    """Wisconsin diagnostic breast cancer: 569 rows; class 1 is benign (357), 2 malignant (212)."""
    x, y = load_breast_cancer(return_X_y=True)
    return pd.DataFrame(x, columns=[f"V{number + 1}" for number in range(x.shape[1])]).assign(
        Class=np.where(y == 1, "1", "2")
    )


def tic_tac_toe() -> pd.DataFrame:
    """Every final board of a game that x began: 958 rows; positive (626) means that x has won."""
    boards = [board for board in product("xob", repeat=9) if _ended(board)]
    outcome = ["positive" if _won(board, "x") else "negative" for board in boards]
    return pd.DataFrame(boards, columns=list(_SQUARES)).assign(Class=outcome)


def balance_scale() -> pd.DataFrame:
    """Two weights at two distances, 1 to 5 each: 625 rows; the scale tips to L (288), R (288) or neither, B (49)."""
    rows = np.array(list(product(range(1, 6), repeat=4)), dtype=float)
    tilt = np.sign(rows[:, 2] * rows[:, 3] - rows[:, 0] * rows[:, 1]).astype(int)
    frame = pd.DataFrame(rows, columns=["left-weight", "left-distance", "right-weight", "right-distance"])
    return frame.assign(**{"class": np.array(["L", "B", "R"])[tilt + 1]})


MADE: Mapping[str, Callable[[], pd.DataFrame]] = {
    "wdbc": wdbc,
    "tic-tac-toe": tic_tac_toe,
    "balance-scale": balance_scale,
}


def _ended(board: tuple[str, ...]) -> bool:
    """Whether only the player who moved last has a line, or the board is full without one."""
    ahead = board.count("x") - board.count("o")
    x, o = _won(board, "x"), _won(board, "o")
    if x or o:
        return x != o and ahead == (1 if x else 0)
    return ahead == 1 and "b" not in board


def _won(board: tuple[str, ...], player: str) -> bool:
    return any(all(board[square] == player for square in line) for line in _LINES)
