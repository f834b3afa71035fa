"""Counts the words of a text and prints the most frequent ones: words.py [HOW_MANY] < text."""

import re
import sys
from collections import Counter

how_many = int(sys.argv[1]) if len(sys.argv) > 1 else 3
counts = Counter(re.findall(r"\w+", sys.stdin.read().lower()))
for word, count in counts.most_common(how_many):
    print(f"{count:4} {word}")
