"""Ends as a program that is out of memory does, with half of it in use at most."""

import sys

kept = bytearray(10 << 20)
sys.exit("Traceback (most recent call last):\nMemoryError")
