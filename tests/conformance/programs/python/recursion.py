import sys

sys.setrecursionlimit(20000)


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)


print(depth(9000))


def endless():
    return endless()


try:
    endless()
except RecursionError as error:
    print(type(error).__name__)
