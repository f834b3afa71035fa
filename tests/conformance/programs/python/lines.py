import sys

for number, line in enumerate(sys.stdin, 1):
    print(number, line.rstrip()[::-1])
try:
    input()
except EOFError:
    print("end")
