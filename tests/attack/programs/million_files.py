made = 0
for directory in (".", "/tmp", "/dev/shm"):
    try:
        for number in range(1_000_000):
            open(f"{directory}/file{number}", "w").close()
            made += 1
    except OSError:
        continue
print("CONTAINED" if made <= 1000 else f"ESCAPED: made {made} files")
