from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Manager, Process, get_context
from multiprocessing.shared_memory import SharedMemory


def square(number):
    return number * number


def write(name):
    memory = SharedMemory(name=name)
    memory.buf[0] = 42
    memory.close()


if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with get_context(method).Pool(2) as pool:
            print(method, pool.map(square, range(5)))
    with ProcessPoolExecutor(2) as executor:
        print(list(executor.map(square, range(5))))
    with Manager() as manager:
        shared = manager.dict(a=1)
        print(dict(shared))
    memory = SharedMemory(create=True, size=4096)
    child = Process(target=write, args=(memory.name,))
    child.start()
    child.join()
    print(memory.buf[0], child.exitcode)
    memory.close()
    memory.unlink()
