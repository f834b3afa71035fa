"""A cache of built checkers and interactors, for other jobs that use them."""

from collections import OrderedDict
from threading import Lock

from domain.checker import JudgeProgram
from domain.tenant import TenantName

_Key = tuple[TenantName, JudgeProgram]


class JudgeTrees:
    """The files of the most recently used builds, up to a size. Safe to use from several threads.

    A checker is the same for all jobs with the same cases, and takes seconds to build.

    Args:
        max_bytes: The maximum total size. A larger build is not cached.
    """

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self._max_bytes = max_bytes
        self._trees: OrderedDict[_Key, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, tenant: TenantName, program: JudgeProgram) -> bytes | None:
        """Return the files of a build; None if they are not cached."""
        with self._lock:
            tree = self._trees.get((tenant, program))
            if tree is not None:
                self._trees.move_to_end((tenant, program))
            return tree

    def put(self, tenant: TenantName, program: JudgeProgram, tree: bytes) -> None:
        """Cache the files of a build, evicting the least recently used ones."""
        with self._lock:
            self._size -= len(self._trees.pop((tenant, program), b""))
            if len(tree) > self._max_bytes:
                return
            self._trees[tenant, program] = tree
            self._size += len(tree)
            while self._size > self._max_bytes:
                _key, dropped = self._trees.popitem(last=False)
                self._size -= len(dropped)
