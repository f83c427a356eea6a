from itertools import product

import numpy as np

from pare.tasks.openml import builtin


def test_tic_tac_toe_is_every_ended_game_once():
    frame = builtin.tic_tac_toe()
    assert frame.shape == (958, 10)
    assert frame.Class.value_counts().to_dict() == {"positive": 626, "negative": 332}
    boards = {"".join(board) for board in frame.drop(columns="Class").to_numpy()}
    played = {}
    _play("b" * 9, "x", played)
    assert boards == set(played)
    assert {"".join(row[:9]): row[9] == "positive" for row in frame.to_numpy()} == played


def _play(board, player, played):
    """Every end of a game, by playing them all: board → whether x has won."""
    for square in (square for square in range(9) if board[square] == "b"):
        after = board[:square] + player + board[square + 1 :]
        grid = np.array(list(after)).reshape(3, 3) == player
        won = (grid.all(0) | grid.all(1)).any() or grid.diagonal().all() or np.fliplr(grid).diagonal().all()
        if won or "b" not in after:
            played[after] = bool(won and player == "x")
        elif after not in _SEEN:
            _SEEN.add(after)
            _play(after, "o" if player == "x" else "x", played)


_SEEN: set[str] = set()


def test_balance_scale_is_the_full_factorial():
    frame = builtin.balance_scale()
    assert frame["class"].value_counts().to_dict() == {"L": 288, "R": 288, "B": 49}
    assert set(map(tuple, frame.to_numpy()[:, :4])) == set(product((1.0, 2.0, 3.0, 4.0, 5.0), repeat=4))
    for row in frame.to_numpy():
        left, right = row[0] * row[1], row[2] * row[3]
        assert row[4] == ("L" if left > right else "R" if right > left else "B")


def test_wdbc_is_the_published_table():
    frame = builtin.wdbc()
    assert frame.shape == (569, 31)
    assert frame.Class.value_counts().to_dict() == {"1": 357, "2": 212}
    # The first patient of the published file, malignant.
    assert frame.iloc[0, :4].tolist() == [17.99, 10.38, 122.8, 1001.0]
    assert frame.Class[0] == "2"
