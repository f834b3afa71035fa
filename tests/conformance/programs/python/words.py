import collections, sys

words = sys.stdin.read().split()
for word, number in collections.Counter(words).most_common(5):
    print(f"{word:>8} {number}")
print(sys.argv[1:], len(words))
