import concurrent.futures, threading, queue

with concurrent.futures.ThreadPoolExecutor(4) as pool:
    print(list(pool.map(lambda n: n * n, range(10))))
box = queue.Queue()
threading.Thread(target=lambda: box.put("from a thread")).start()
print(box.get(timeout=5), threading.active_count() <= 2)
