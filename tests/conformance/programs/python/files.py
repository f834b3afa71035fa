import os, pathlib, tempfile, shutil

pathlib.Path("data").mkdir()
pathlib.Path("data/a.txt").write_text("ä\n" * 3, encoding="utf-8")
print(sorted(os.listdir("data")), os.path.getsize("data/a.txt"), os.access("data", os.W_OK))
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x")
    file.flush()
    print(os.path.exists(file.name))
shutil.copy("data/a.txt", "b.txt")
os.rename("b.txt", "c.txt")
print(open("c.txt").read().split())
