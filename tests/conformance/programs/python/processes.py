import multiprocessing, subprocess, os


def square(n):
    return n * n


if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, range(5)))
    print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True, text=True))
    print(subprocess.check_output("printf '%s' a | tr a b", shell=True), os.system("exit 4") >> 8)
