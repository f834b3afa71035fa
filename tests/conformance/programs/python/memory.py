import mmap, array, gc

shared = mmap.mmap(-1, 1 << 16)
shared[:5] = b"hello"
print(shared[:5])
print(len(bytearray(30 << 20)), array.array("i", range(4)).tobytes().hex(), gc.isenabled())
