"""Has the kernel forget a file of the machine, which every other program then has to read from the disk again."""

import mmap
import os
import resource
from pathlib import Path

_MADV_COLD, _MADV_PAGEOUT = 20, 21  # linux/mman.h


def reads_of_the_disk() -> int:
    """Look at each page of the file; return how often the kernel had to read the disk for that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    with mmap.mmap(file, size, prot=mmap.PROT_READ) as pages:
        assert sum(pages[place] for place in range(0, size, mmap.PAGESIZE))
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before


library = Path(os.__file__).parent
path = max(library.glob("*.py"), key=lambda source: source.stat().st_size)  # what is run is not the source
file = os.open(path, os.O_RDONLY)
size = os.fstat(file).st_size
os.pread(file, size, 0)
assert reads_of_the_disk() == 0

with mmap.mmap(file, size, prot=mmap.PROT_READ) as mapped:
    assert len(mapped[:]) == size
    for advice in (_MADV_COLD, _MADV_PAGEOUT, mmap.MADV_DONTNEED):
        mapped.madvise(advice)
for advice in (os.POSIX_FADV_NOREUSE, os.POSIX_FADV_DONTNEED):
    os.posix_fadvise(file, 0, 0, advice)
print("CONTAINED" if reads_of_the_disk() == 0 else "ESCAPED")
