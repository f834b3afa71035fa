import subprocess
import sys

for name in ("json", "os", "site", "sitecustomize", "usercustomize", "encodings", "socket"):
    for directory in (".", "/tmp"):
        with open(f"{directory}/{name}.py", "w") as file:
            file.write("raise SystemExit('shadowed')\n")
print(
    subprocess.run([sys.executable, "-c", "import json"], capture_output=True, text=True, check=False).stderr
)
print("CONTAINED")
