import math, decimal, fractions, statistics, random, hashlib

random.seed(42)
print([random.randint(1, 100) for _ in range(5)], random.random())
print(
    2**200, math.isqrt(10**20), decimal.Decimal(1) / 7, fractions.Fraction(3, 9), statistics.mean([1, 2, 4])
)
print(hashlib.sha256(b"x").hexdigest()[:16], f"{math.pi:.3f}", round(2.5), 0.1 + 0.2)
