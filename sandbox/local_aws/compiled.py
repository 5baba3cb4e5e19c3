"""Closures compiled from shapes that contain each other, shared by the threads that serve requests.

A shape has to be registered before its members are compiled, so what is registered is not whole yet: nobody else may see it until it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Compiled(Generic[Value]):
    """Values by key, made once. One thread makes at a time; the others see a value when everything it refers to is whole."""

    def __init__(self) -> None:
        self._whole: dict[Hashable, Value] = {}
        self._draft: dict[Hashable, Value] = {}
        self._lock = threading.RLock()
        self._depth = 0

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`; `make` may call `get` for what it refers to, and `register` before that."""
        found = self._whole.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._draft.get(key) or self._whole.get(key)
            return self._made(key, make) if found is None else found

    def register(self, key: Hashable, value: Value) -> Value:
        """Only from within `make`: the value is found by what it contains."""
        self._draft[key] = value
        return value

    def _made(self, key: Hashable, make: Callable[[], Value]) -> Value:
        self._depth += 1
        try:
            value = self.register(key, make())
            if self._depth == 1:
                self._whole |= self._draft
            return value
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._draft = {}
