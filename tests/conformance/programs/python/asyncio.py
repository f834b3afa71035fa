import asyncio


async def tick(n):
    await asyncio.sleep(0.01 * n)
    return n


async def main():
    print(await asyncio.gather(*(tick(n) for n in (3, 1, 2))))
    process = await asyncio.create_subprocess_exec("echo", "sub", stdout=asyncio.subprocess.PIPE)
    print((await process.communicate())[0])


asyncio.run(main())
