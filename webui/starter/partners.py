"""Partner processes that train the same networks on other cores and exchange what they learned.

Threads of one process wait for each other in every operation, which is ruinous on a busy
machine; partners only meet every few steps, and never wait. Each adds its own change since the
last exchange to weights in shared memory and goes on from there, so results depend on timing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import multiprocessing, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from webui.starter.lesson import Learner, Lesson

EVERY = 4
SHARE = 0.7


@dataclass
class Board:
    """What the partners share: weights, the lock for them, and (progress, step, partner steps)."""

    weights: torch.Tensor
    state: torch.Tensor
    lock: Any


class Exchange:
    """One participant's side of the board."""

    def __init__(self, board: Board, module: nn.Module) -> None:
        """Begin from the weights on the board."""
        self.board, self.module = board, module
        self.pulled = board.weights.clone()
        vector_to_parameters(self.pulled.clone(), module.parameters())

    @torch.no_grad()
    def swap(self) -> None:
        """Add what was learned since the last swap to the board and take over the sum."""
        change = parameters_to_vector(self.module.parameters()) - self.pulled
        with self.board.lock:
            self.board.weights.add_(change, alpha=SHARE)
            self.pulled.copy_(self.board.weights)
        offset = 0
        for parameter in self.module.parameters():
            count = parameter.numel()
            parameter.copy_(self.pulled[offset : offset + count].view_as(parameter))
            offset += count


class Team:
    """The leading process's partners, started and stopped together."""

    def __init__(self, lesson: Lesson, leader: nn.Module, count: int, step: int) -> None:
        """Start ``count`` partners that begin from the leader's present weights."""
        context = multiprocessing.get_context("spawn")
        weights = parameters_to_vector(leader.parameters()).detach().clone().share_memory_()
        state = torch.tensor([0.0, step, 0.0], dtype=torch.float64).share_memory_()
        self.board = Board(weights, state, context.Lock())
        self.exchange = Exchange(self.board, leader)
        self.workers = [
            context.Process(target=follow, args=(lesson, self.board, index), daemon=True)
            for index in range(count)
        ]
        for worker in self.workers:
            worker.start()

    def meet(self, step: int, progress: float) -> None:
        """Tell the partners how far the run is, and exchange weights every few steps."""
        self.board.state[0], self.board.state[1] = progress, step
        if step % EVERY == 0:
            self.exchange.swap()

    def stop(self) -> int:
        """Let the partners finish; returns the number of steps they took."""
        self.board.state[0] = 1.0
        for worker in self.workers:
            worker.join(60)
        self.exchange.swap()
        return int(self.board.state[2])


def follow(lesson: Lesson, board: Board, index: int) -> None:
    """Train as a partner until the leader says the run is over, or is gone."""
    torch.set_num_threads(1)
    parent = os.getppid()
    learner = Learner(lesson, stage=3 + index)
    exchange = Exchange(board, learner.student)
    first, taken = int(board.state[1]), 0
    while (progress := float(board.state[0])) < 1.0 and os.getppid() == parent:
        learner.learn(first + taken, progress)
        taken += 1
        if taken % EVERY == 0:
            exchange.swap()
            with board.lock:
                board.state[2] += EVERY
