// All that a program of Node.js can find out about itself. What has to differ between any two is left out.
const fs = require("fs"), os = require("os"), path = require("path");
const {Worker} = require("worker_threads");
const child = require("child_process");

function listing(top) {
    const state = fs.lstatSync(top), own = [[top, state.mode, state.uid]];
    return state.isDirectory() ? own.concat(...fs.readdirSync(top).sort().map(n => listing(path.join(top, n)))) : own;
}
const status = fs.readFileSync("/proc/self/status", "utf8").split("\n");
const {config, variables} = process;
const view = {
    argv: process.argv, options: process.execArgv, argv0: process.argv0, path: process.execPath,
    environment: process.env, directory: process.cwd(), main: [__filename, __dirname, require.main === module],
    module: [module.id, module.parent, module.children.length, module.paths], cache: Object.keys(require.cache),
    paths: Object.keys(require("module")._pathCache), preloaded: process._preload_modules,
    properties: Reflect.ownKeys(process).map(String).sort(), globals: Reflect.ownKeys(globalThis).map(String).sort(),
    listeners: process.eventNames(), trace: new Error("as it should").stack, files: listing("/tmp"),
    root: fs.readdirSync("/").sort(), descriptors: fs.readdirSync("/proc/self/fd").length,
    links: [0, 1, 2].map(n => fs.readlinkSync(`/proc/self/fd/${n}`).split(":")[0]),
    ids: [process.pid, process.ppid, process.getuid(), process.getgroups()], umask: process.umask(0o22),
    limits: fs.readFileSync("/proc/self/limits", "utf8"), features: process.features, config, variables,
    processes: fs.readdirSync("/proc").filter(n => Number(n)), versions: process.versions,
    memory: require("v8").getHeapStatistics().heap_size_limit, handles: process.getActiveResourcesInfo(),
    rights: status.filter(line => /^(Cap|NoNew|Seccomp:|Threads)/.test(line)),
    mounts: fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n").map(l => l.split(" ")[4]).sort(),
    child: child.spawnSync(process.execPath, ["-p", "[process.argv, process.execArgv, process.env]"]).stdout.toString(),
    input: fs.readFileSync(0, "utf8"),
};
for (const [name, value] of Object.entries(view)) console.log(name, JSON.stringify(value));
const inside = "require('worker_threads').parentPort.postMessage([Object.keys(require.cache), process.env, "
    + "process.execArgv, require('fs').readdirSync('/proc/self/fd').length > 3])";
new Worker(inside, {eval: true}).on("message", m => console.log("worker", JSON.stringify(m)))
    .on("error", error => console.log("worker", error.stack));
