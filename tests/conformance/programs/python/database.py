import sqlite3, json, csv, io

base = sqlite3.connect("x.db")
base.execute("create table t (a, b)")
base.executemany("insert into t values (?, ?)", [(n, str(n) * n) for n in range(4)])
base.commit()
print(base.execute("select sum(a), max(b) from t").fetchone())
print(json.dumps({"ü": [1.5, None, True]}, ensure_ascii=False, sort_keys=True))
out = io.StringIO()
csv.writer(out).writerow(["a,b", 'c"d'])
print(out.getvalue().strip())
